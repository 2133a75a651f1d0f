"""Moves the chat's audit entries into the audit of everything (`nodes.AuditEntry`). Ids change, the order does not."""

from __future__ import annotations

from typing import Any

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

_OLD: str = "Audit"  # A variable: the type checker looks only for models of today.
_FIELDS = ("at", "kind", "actor", "conversation_id", "turn_id", "call_id", "tool", "detail")
_KINDS = ("proposed", "approved", "refused", "effect", "memory")
_BATCH = 1_000


def move(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    new = apps.get_model("nodes", "AuditEntry")
    _copy(apps.get_model("chat", _OLD).objects.order_by("id"), new, lambda row: {"result": _result(row.detail)})


def move_back(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    rows = apps.get_model("nodes", "AuditEntry").objects.filter(kind__in=_KINDS)
    _copy(rows.order_by("id"), apps.get_model("chat", _OLD), lambda row: {})
    rows.delete()


def _copy(rows: Any, target: Any, more: Any) -> None:
    batch: list[Any] = []
    for row in rows.iterator(chunk_size=_BATCH):
        batch.append(target(**{name: getattr(row, name) for name in _FIELDS}, **more(row)))
        if len(batch) == _BATCH:
            target.objects.bulk_create(batch)
            batch = []
    target.objects.bulk_create(batch)


def _result(detail: Any) -> str:
    found = detail.get("state") or detail.get("reason") or "" if isinstance(detail, dict) else ""
    return str(found)[:16]


class Migration(migrations.Migration):
    dependencies = [("chat", "0007_phrases"), ("nodes", "0012_audit")]

    operations = [migrations.RunPython(move, move_back), migrations.DeleteModel(name="Audit")]
