"""docs/protocol.md, "Heartbeat": online, suspect, offline."""

from __future__ import annotations

import math

from nodes.domain.states import NodeState
from nodes.stream.hub.presence import Presence


def _presence() -> Presence:
    return Presence(heartbeat_seconds=30.0, offline_after_seconds=20.0)


def _states(presence: Presence, now: float) -> list[tuple[str, NodeState]]:
    return [(change.node_id, change.state) for change in presence.take_changes(now)]


def test_lost_stream_is_suspect_at_once_and_offline_later() -> None:
    presence = _presence()
    presence.joined("a", link_rtt_ms=2.5)
    assert presence.take_changes(0.0)[0].link_rtt_ms == 2.5

    presence.left("a", now_mono=100.0, last_heard_mono=99.0, said_goodbye=False)

    assert _states(presence, 100.0) == [("a", NodeState.SUSPECT)]
    assert presence.next_deadline() == 120.0
    assert _states(presence, 119.9) == []
    assert _states(presence, 120.0) == [("a", NodeState.OFFLINE)]
    assert presence.next_deadline() == math.inf


def test_goodbye_is_offline_at_once() -> None:
    presence = _presence()

    presence.left("a", now_mono=100.0, last_heard_mono=100.0, said_goodbye=True)

    assert _states(presence, 100.0) == [("a", NodeState.OFFLINE)]
    assert presence.next_deadline() == math.inf


def test_long_silence_before_the_end_counts() -> None:
    presence = _presence()

    presence.left("a", now_mono=100.0, last_heard_mono=35.0, said_goodbye=False)

    assert presence.next_deadline() == 105.0  # 2 heartbeats and 10 s after the last message.


def test_node_that_reconnects_in_time_was_never_offline() -> None:
    presence = _presence()
    presence.left("a", now_mono=100.0, last_heard_mono=100.0, said_goodbye=False)
    presence.joined("a")

    assert _states(presence, 200.0) == [("a", NodeState.ONLINE)]
    assert _states(presence, 300.0) == []


def test_nodes_are_tracked_separately() -> None:
    presence = _presence()
    presence.left("a", now_mono=100.0, last_heard_mono=100.0, said_goodbye=False)
    presence.left("b", now_mono=105.0, last_heard_mono=105.0, said_goodbye=False)
    presence.take_changes(105.0)

    assert _states(presence, 121.0) == [("a", NodeState.OFFLINE)]
    assert _states(presence, 126.0) == [("b", NodeState.OFFLINE)]
