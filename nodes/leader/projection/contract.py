"""The messages about the fleet that dashboards receive.

`manage.py contract` writes the JSON Schemas (docs/schemas), the TypeScript types and the lists of docs/websocket.md
from their declarations: a docstring says what a message or an object is, a comment what a field means.
"""

from __future__ import annotations

from typing import TypedDict

from nodes.leader.projection.alert_messages import AlertInfo, AlertMessage
from nodes.leader.projection.log_messages import GapRange, JournalGap, LogBatch
from nodes.leader.projection.message_base import Positioned, one_of
from nodes.leader.projection.node_messages import MetricsMessage, NodeStatus, NodeStatusMessage
from nodes.leader.projection.task_messages import CommandInfo, CommandMessage, TaskInfo, TaskUpdate
from nodes.leader.projection.trouble import StoreTrouble

__all__ = [
    "AlertInfo",
    "CommandInfo",
    "FleetMessage",
    "FleetState",
    "GapRange",
    "NodeStatus",
    "Positioned",
    "TaskInfo",
    "one_of",
]

FleetMessage = (
    NodeStatusMessage
    | MetricsMessage
    | TaskUpdate
    | LogBatch
    | AlertMessage
    | CommandMessage
    | JournalGap
    | StoreTrouble
)


class FleetState(TypedDict, total=False):
    """The fleet's part of a SNAPSHOT; which fields it has depends on the topics."""

    nodes: list[NodeStatus]
    tasks: list[TaskInfo]
    alerts: list[AlertInfo]
    # Open ones, and those settled within ten minutes; with `tasks` or `task:<id>`.
    commands: list[CommandInfo]
    # The newest lines.
    logs: list[LogBatch]
    # Null = the database accepts writes.
    trouble: StoreTrouble | None
