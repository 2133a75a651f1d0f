"""Messages about alerts."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from nodes.domain.phrases import Phrases, phrases_of
from nodes.leader.projection.message_base import Moment, Positioned, milliseconds, one_of
from nodes.models import Alert

AlertLevel = Annotated[str, one_of("AlertLevel", ("error", "warning"))]


class AlertInfo(TypedDict):
    id: str
    level: AlertLevel
    kind: str
    message: str
    phrases: Phrases
    node: str
    task: str
    # Also of a task that is gone.
    taskName: str
    # 0 = it is about no task.
    attempt: int
    # Changes with the message and the evidence of an open alert: what a person has seen.
    digest: str
    # Ids of the evidence.
    evidence: list[str]
    openedAt: int
    # Null = it is open.
    resolvedAt: int | None
    acknowledgedAt: int | None
    acknowledgedBy: str


class AlertMessage(Positioned, Moment, AlertInfo):
    """An alert was opened, acknowledged or resolved."""

    type: Literal["ALERT"]


def alert_fields(alert: Alert) -> AlertInfo:
    return {
        "id": str(alert.id),
        "level": alert.level,
        "kind": alert.kind,
        "message": alert.message,
        "phrases": phrases_of(message=alert.message_parts),
        "node": alert.node_id,
        "task": alert.task_id,
        "taskName": alert.task_name,
        "attempt": alert.attempt,
        "digest": alert.digest,
        "evidence": [item["id"] for item in alert.evidence],
        "openedAt": milliseconds(alert.opened_at),
        "resolvedAt": milliseconds(alert.resolved_at),
        "acknowledgedAt": milliseconds(alert.acknowledged_at),
        "acknowledgedBy": alert.acknowledged_by,
    }
