"""How the fleet's topics are spelled, in this one place. docs/websocket.md lists them."""

from __future__ import annotations

NODES = "nodes"
TASKS = "tasks"
ALERTS = "alerts"
LOGS = "logs"


def task(task_id: str) -> str:
    """Everything about one task, including its output."""
    return f"task:{task_id}"


def logs(node_id: str, level: str = "") -> str:
    """Output of one node's tasks; with a level ("WARNING"), only lines of that level and above."""
    return f"logs:{node_id}:{level.upper()}" if level else f"logs:{node_id}"
