"""Empty task, node and alert rows that the script clones for new ones."""

from __future__ import annotations

from typing import Any

ROW_TEMPLATES: dict[str, dict[str, Any]] = {
    "blank_task": {"id": "", "name": "", "state": "pending", "attempt": 1, "progress": None},
    "blank_node": {
        "id": "",
        "name": "",
        "role": "edge",
        "parent": "",
        "state": "offline",
        "cpu": None,
        "memory": None,
        "disk": None,
        "link": {"state": "down", "rttMs": None},
        "running": 0,
        "slots": 0,
        "lastSeenAt": None,
    },
    "blank_command": {
        "id": "",
        "kind": "",
        "state": "pending",
        "code": "",
        "message": "",
        "ref": "",
        "createdAt": None,
    },
    "blank_alert": {"id": "", "level": "warning", "message": "", "node": "", "task": "", "openedAt": None},
}
