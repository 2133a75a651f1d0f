"""Messages as data beside their text, and the task's name in its alerts. Older rows keep only their text."""

from typing import Any

from django.db import migrations, models
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce


def name_tasks(apps: Any, schema_editor: Any) -> None:
    alerts = apps.get_model("nodes", "Alert").objects.exclude(task_id="")
    tasks = apps.get_model("nodes", "Task").objects.filter(pk=OuterRef("task_id"))
    alerts.update(task_name=Coalesce(Subquery(tasks.values("name")[:1]), models.Value("")))


class Migration(migrations.Migration):
    dependencies = [("nodes", "0007_command_by_age")]

    operations = [
        migrations.AddField("alert", "attempt", models.PositiveIntegerField(default=0)),
        migrations.AddField("alert", "message_parts", models.JSONField(null=True)),
        migrations.AddField(
            "alert", "task_name", models.CharField(blank=True, default="", max_length=200), preserve_default=False
        ),
        migrations.AddField("attempt", "message_parts", models.JSONField(null=True)),
        migrations.AddField("command", "message_parts", models.JSONField(null=True)),
        migrations.AddField("task", "message_parts", models.JSONField(null=True)),
        migrations.AddField("task", "pending_parts", models.JSONField(null=True)),
        migrations.RunPython(name_tasks, migrations.RunPython.noop),
    ]
