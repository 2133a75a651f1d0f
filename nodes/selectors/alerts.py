"""Reads of alerts and their evidence."""

from __future__ import annotations

from nodes.errors import NotFound
from nodes.leader.projection.alert_messages import AlertInfo, alert_fields
from nodes.leader.projection.message_base import Message
from nodes.leader.projection.private import is_free, public_evidence
from nodes.models import Alert, Task
from nodes.selectors.paging import MAX_ROWS, page_of

SNAPSHOT_ALERTS = 200


def alert_list() -> list[AlertInfo]:
    """Open alerts, newest first."""
    return [alert_fields(alert) for alert in Alert.objects.filter(resolved_at=None)[:SNAPSHOT_ALERTS]]


def alert_page(*, node: str = "", task: str = "", open: bool = False, limit: int = 100, page: int = 1) -> Message:
    """Alerts, newest first; includes resolved ones unless `open` is set."""
    alerts = Alert.objects.order_by("-opened_at", "-id")
    if open:
        alerts = alerts.filter(resolved_at=None)
    if node:
        alerts = alerts.filter(node_id=node)
    if task:
        alerts = alerts.filter(task_id=task)
    rows, has_more = page_of(alerts, page, min(max(limit, 1), MAX_ROWS))
    return {"results": [alert_fields(alert) for alert in rows], "page": page, "hasMore": has_more}


def alert_detail(alert_id: int, *, sees_commands: bool = False) -> Message:
    """An alert with its evidence: `id`, `kind` and `text` (hostile) of each piece. Raises `NotFound`.

    `sees_commands`: the reader may run commands; for others `isPartial` says that something is left out.
    """
    alert = Alert.objects.filter(pk=alert_id).first()
    if alert is None:
        raise NotFound(f"There is no alert {alert_id}.")
    # Without a task, nobody knows what it ran.
    spec = Task.objects.filter(id=alert.task_id).values_list("spec", flat=True).first() or {}
    is_partial = bool(alert.evidence) and not sees_commands and is_free(spec)
    evidence = public_evidence(alert.evidence) if is_partial else alert.evidence
    return {**alert_fields(alert), "evidence": evidence, "isPartial": is_partial}
