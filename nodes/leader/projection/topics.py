"""The names of topics. docs/websocket.md lists them."""

from __future__ import annotations

NODES = "nodes"
TASKS = "tasks"
ALERTS = "alerts"
LOGS = "logs"
CHATS = "chats"


def task(task_id: str) -> str:
    """Everything about one task, including its output."""
    return f"task:{task_id}"


def chat(conversation_id: str) -> str:
    """One conversation."""
    return f"chat:{conversation_id}"


def logs(node_id: str, level: str = "") -> str:
    """Output of one node's tasks; with a level ("WARNING"), only lines of that level and above."""
    return f"logs:{node_id}:{level.upper()}" if level else f"logs:{node_id}"
