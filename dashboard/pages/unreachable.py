"""Marks attempts on unreachable nodes as unknown: neither running nor ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nodes.domain.states import is_unknown


def mark_unreachable(attempts: Iterable[dict[str, Any]], nodes: Iterable[Mapping[str, Any]]) -> None:
    """Adds `unknownSince` to each attempt, as in TaskInfo."""
    by_id = {node["id"]: node for node in nodes}
    for attempt in attempts:
        node = by_id.get(attempt["node"])
        attempt["unknownSince"] = node["stateSince"] if node and is_unknown(attempt["state"], node["state"]) else None
