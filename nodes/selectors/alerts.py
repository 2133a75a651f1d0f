"""Reads of alerts and their evidence."""

from __future__ import annotations

from nodes.errors import NotFound
from nodes.leader.projection.alert_messages import AlertInfo, alert_fields
from nodes.leader.projection.message_base import Message
from nodes.models import Alert
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


def alert_detail(alert_id: int) -> Message:
    """An alert with its full evidence: `id`, `kind` and `text` (hostile) of each piece. Raises `NotFound`."""
    alert = Alert.objects.filter(pk=alert_id).first()
    if alert is None:
        raise NotFound(f"There is no alert {alert_id}.")
    return {**alert_fields(alert), "evidence": alert.evidence}
