"""The topics that clients can subscribe to, from `nodes.leader.projection.topics` and `chat.topics`, and the default
topics.
"""

from __future__ import annotations

from collections.abc import Sequence

from chat.topics import CHATS, chat
from nodes.domain.states import LOG_LEVEL_NAMES
from nodes.leader.projection.topics import ALERTS, LOGS, NODES, TASKS, logs, task

__all__ = ["ALERTS", "CHATS", "DEFAULT_TOPICS", "LOGS", "NODES", "TASKS", "chat", "is_topic", "logs", "task"]

# Topics of a socket that sends no SUBSCRIBE after AUTH.
DEFAULT_TOPICS: Sequence[str] = (NODES, TASKS, ALERTS)

_WHOLE = frozenset({NODES, TASKS, ALERTS, LOGS, CHATS})
MAX_CHARACTERS = 200


# Like `is_topic`, for docs/schemas. Printable characters only.
TOPIC_PATTERN = f"^({'|'.join(sorted(_WHOLE))}|logs:[^ :]+(:({'|'.join(LOG_LEVEL_NAMES)}))?|(task|chat):[^ ]+)$"


def is_topic(name: str) -> bool:
    """Whether the name is a valid topic; does not check that its node, task or conversation exists."""
    if name in _WHOLE:
        return True
    if len(name) > MAX_CHARACTERS or not name.isprintable() or " " in name:
        return False
    kind, _, rest = name.partition(":")
    if not rest:
        return False
    if kind in ("task", "chat"):
        return True
    node, separator, level = rest.partition(":")
    return kind == "logs" and bool(node) and (not separator or level in LOG_LEVEL_NAMES)
