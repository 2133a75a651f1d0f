"""The messages about the fleet that dashboards receive.

`manage.py contract` writes the JSON Schemas (docs/schemas) and the page's TypeScript types from these declarations.
"""

from __future__ import annotations

from typing import TypedDict

from nodes.leader.projection.alert_messages import AlertInfo, AlertMessage
from nodes.leader.projection.log_messages import GapRange, JournalGap, LogBatch
from nodes.leader.projection.message_base import MessagePart, Positioned, one_of
from nodes.leader.projection.node_messages import MetricsMessage, NodeStatus, NodeStatusMessage
from nodes.leader.projection.task_messages import CommandInfo, CommandMessage, TaskInfo, TaskUpdate
from nodes.leader.projection.trouble import StoreTrouble

__all__ = ["FleetMessage", "FleetState", "GapRange", "MessagePart", "Positioned", "one_of"]

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
    # Open commands, and those settled recently.
    commands: list[CommandInfo]
    logs: list[LogBatch]
    trouble: StoreTrouble | None
