"""What each attempt ran, and names without commands. The feed is emptied: its messages contain commands.

Readers of the feed then take a snapshot.
"""

from typing import Any

from django.db import migrations, models
from django.db.models import F

from nodes.domain.phrases import english


def rename_commands(apps: Any, schema_editor: Any) -> None:
    """Until now, a command without a name was named by its command line."""
    tasks, alerts = apps.get_model("nodes", "Task"), apps.get_model("nodes", "Alert")
    # Not those that a node reported without their request.
    unnamed = [
        task
        for task in tasks.objects.only("id", "spec").iterator(chunk_size=1000)
        if task.spec and not task.spec.get("named_task") and not task.spec.get("name")
    ]
    for task in unnamed:
        task.name = f"command {task.id[:8]}"
        alerts.objects.filter(task_id=task.id).update(task_name=task.name)
    tasks.objects.bulk_update(unnamed, ["name"], batch_size=500)


def hide_commands(apps: Any, schema_editor: Any) -> None:
    """Messages about free commands: what they named is hidden, as in new ones (nodes.leader.projection.private)."""
    for name, task_of in (("Task", "pk"), ("Attempt", "task_id"), ("Command", "task_id"), ("Alert", "task_id")):
        model = apps.get_model("nodes", name)
        for row in model.objects.exclude(message_parts=None).iterator(chunk_size=500):
            parts = [_hidden(said) for said in row.message_parts]
            if parts != row.message_parts and _is_free(apps, getattr(row, task_of)):
                model.objects.filter(pk=row.pk).update(message=english(parts), message_parts=parts)


def _hidden(said: Any) -> Any:
    if said["key"] == "waiting":
        return {"key": "waiting-somehow", "values": {}}
    private = ("command", "folder", "name", "said")
    return {**said, "values": {name: "…" if name in private else value for name, value in said["values"].items()}}


def _is_free(apps: Any, task_id: str) -> bool:
    spec = apps.get_model("nodes", "Task").objects.filter(pk=task_id).values_list("spec", flat=True).first() or {}
    return not spec.get("named_task") or bool(spec.get("environment") or spec.get("working_directory"))


def empty_feed(apps: Any, schema_editor: Any) -> None:
    apps.get_model("nodes", "FeedEntry").objects.all().delete()
    apps.get_model("nodes", "Store").objects.update(feed_floor=F("feed_seq"))


class Migration(migrations.Migration):
    dependencies = [("nodes", "0010_redacted_output")]

    operations = [
        migrations.AddField("attempt", "resolved", models.JSONField(null=True)),
        migrations.RunPython(rename_commands, migrations.RunPython.noop),
        migrations.RunPython(hide_commands, migrations.RunPython.noop),
        migrations.RunPython(empty_feed, migrations.RunPython.noop),
    ]
