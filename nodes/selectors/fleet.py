"""Reads of nodes and counts."""

from __future__ import annotations

from collections import Counter

from django.db.models import Count

from nodes.domain.events import Gap
from nodes.domain.states import OCCUPYING
from nodes.errors import NotFound
from nodes.leader.projection.log_messages import gap_fields
from nodes.leader.projection.message_base import Message, milliseconds
from nodes.leader.projection.node_messages import NodeStatus, node_info
from nodes.models import Alert, Attempt, DeadLetter, Event, Journal, Node, Task
from nodes.selectors.paging import MAX_ROWS, PAGE_ROWS


def node_list() -> list[NodeStatus]:
    """Every node in use, by name."""
    running = Counter(
        dict(
            Attempt.objects.filter(state__in=OCCUPYING, node__isnull=False)
            .values_list("node_id")
            .annotate(count=Count("id"))
            .order_by()
        )
    )
    return [node_info(node, running=running[node.id]) for node in Node.objects.filter(retired_at=None).order_by("id")]


def node_detail(node_id: str) -> NodeStatus:
    """One node, also a retired one. Raises `NotFound`."""
    node = Node.objects.filter(id=node_id).first()
    if node is None:
        raise NotFound(f"There is no node {node_id}.")
    running = Attempt.objects.filter(node=node, state__in=OCCUPYING).count()
    return node_info(node, running=running)


def counts() -> Message:
    """Numbers of nodes and tasks by state, of open alerts, and of quarantined entries (dead letters)."""
    return {
        "nodes": dict(Node.objects.filter(retired_at=None).values_list("state").annotate(count=Count("id")).order_by()),
        "tasks": dict(Task.objects.values_list("state").annotate(count=Count("id")).order_by()),
        "alerts": Alert.objects.filter(resolved_at=None).count(),
        "deadLetters": DeadLetter.objects.count(),
    }


def dead_letters(*, node: str) -> int:
    """The number of this node's entries that could not be applied and are quarantined."""
    return DeadLetter.objects.filter(node_id=node).count()


def gaps(*, node: str, limit: int = PAGE_ROWS) -> list[Message]:
    """Entries that this node dropped or could not resend, newest first; as GAP, with `at` (when the Gap arrived)."""
    rows = Event.objects.filter(node_id=node, kind="gap").order_by("-id")[: min(max(limit, 1), MAX_ROWS)]
    lanes = dict(Journal.objects.filter(node_id=node).values_list("id", "lane"))
    return [
        {
            "at": milliseconds(row.received_at),
            **gap_fields(
                Gap(
                    from_seq=row.detail["from_seq"],
                    to_seq=row.detail["to_seq"],
                    reason=row.detail["reason"],
                    task_id=row.task_id,
                    lines=row.detail["lines"],
                ),
                node=node,
                lane=lanes.get(row.journal_id, ""),
            ),
        }
        for row in rows
    ]
