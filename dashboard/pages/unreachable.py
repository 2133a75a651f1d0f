"""Attempts on unreachable nodes: neither running nor ended, but unknown since then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nodes.domain.states import NodeState, TaskState

_OCCUPYING = frozenset({TaskState.DISPATCHED, TaskState.RUNNING, TaskState.PAUSED})


def mark_unreachable(attempts: Iterable[dict[str, Any]], nodes: Iterable[Mapping[str, Any]]) -> None:
    """Adds to each attempt the `unknownSince` that a task has in TaskInfo."""
    unseen = {node["id"]: node["stateSince"] for node in nodes if node["state"] != NodeState.ONLINE}
    for attempt in attempts:
        attempt["unknownSince"] = unseen.get(attempt["node"]) if attempt["state"] in _OCCUPYING else None
