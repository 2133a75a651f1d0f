"""Empty task, node, command and alert rows that the script clones for new ones."""

from __future__ import annotations

from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

from nodes.leader.projection.contract import AlertInfo, CommandInfo, NodeStatus, TaskInfo


def blank(declaration: Any) -> Any:
    """An empty value of a declared type: None if allowed, otherwise zero or empty."""
    if NoneType in get_args(declaration):
        return None
    if not is_typeddict(declaration):
        return (get_origin(declaration) or declaration)()
    hints = get_type_hints(declaration)
    return {name: blank(hint) for name, hint in hints.items() if name in declaration.__required_keys__}


ROW_TEMPLATES: dict[str, dict[str, Any]] = {
    "blank_task": {**blank(TaskInfo), "state": "pending", "attempt": 1},
    "blank_node": {
        **blank(NodeStatus),
        "role": "edge",
        "state": "offline",
        "link": {"state": "down", "rttMs": None},
    },
    "blank_command": {**blank(CommandInfo), "state": "pending"},
    "blank_alert": {**blank(AlertInfo), "level": "warning"},
}
