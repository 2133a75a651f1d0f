"""Tracks which nodes are online, suspect or offline, and when a timeout changes that. Pure: time is passed in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nodes.domain.states import NodeState
from nodes.stream.wire.limits import SILENCE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkChange:
    node_id: str
    state: NodeState
    link_rtt_ms: float = 0.0  # 0 = unknown


class Presence:
    """The state of each node that has connected to this hub. A stream's own watch ends it after too long a silence, so
    only joining and leaving matter here.
    """

    def __init__(self, *, heartbeat_seconds: float, offline_after_seconds: float) -> None:
        self._silent_limit_seconds = 2 * heartbeat_seconds + SILENCE_SECONDS
        self._offline_after_seconds = offline_after_seconds
        self._offline_at: dict[str, float] = {}  # Suspects and their deadlines.
        # Changes not yet reported. One per node: for a node that left and came back, one report is enough.
        self._changes: dict[str, LinkChange] = {}

    def joined(self, node_id: str, *, link_rtt_ms: float = 0.0) -> None:
        """The node's stream is established, or its round trip was measured."""
        self._offline_at.pop(node_id, None)
        self._changes[node_id] = LinkChange(node_id=node_id, state=NodeState.ONLINE, link_rtt_ms=link_rtt_ms)

    def left(self, node_id: str, *, now_mono: float, last_heard_mono: float, said_goodbye: bool) -> None:
        """The node's stream ended: suspect, then offline. Sooner if it had been silent, at once after Goodbye."""
        if said_goodbye:
            self._changes[node_id] = LinkChange(node_id=node_id, state=NodeState.OFFLINE)
            return
        self._changes[node_id] = LinkChange(node_id=node_id, state=NodeState.SUSPECT)
        self._offline_at[node_id] = min(
            now_mono + self._offline_after_seconds, max(now_mono, last_heard_mono + self._silent_limit_seconds)
        )

    def take_changes(self, now_mono: float) -> Sequence[LinkChange]:
        """Changes since the last call."""
        for node_id in [node_id for node_id, at in self._offline_at.items() if at <= now_mono]:
            del self._offline_at[node_id]
            self._changes[node_id] = LinkChange(node_id=node_id, state=NodeState.OFFLINE)
        changes = list(self._changes.values())
        self._changes.clear()
        return changes

    def next_deadline(self) -> float:
        return min(self._offline_at.values(), default=math.inf)
