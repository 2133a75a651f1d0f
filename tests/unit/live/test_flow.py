"""docs/websocket.md, "ACK": the window of a client that acknowledges, and the push latency it shows."""

from __future__ import annotations

from dashboard.live.flow import WINDOW_BYTES, WINDOW_MESSAGES, Flow


def send(flow: Flow, seq: int, *, messages: int = 1, size: int = 100, published: float = 0.0) -> None:
    flow.sent(last_seq=seq, messages=messages, size_bytes=size, published_mono=published)


def test_a_client_that_never_acks_has_no_window() -> None:
    flow = Flow()
    for seq in range(1, 5000):
        send(flow, seq, size=10_000)

    assert flow.has_room


def test_a_client_that_acks_gets_a_window_of_messages() -> None:
    flow = Flow()
    flow.acked(0, now=0.0)
    send(flow, 999, messages=WINDOW_MESSAGES - 1)
    assert flow.has_room

    send(flow, 1000)
    assert not flow.has_room

    assert flow.acked(999, now=1.0)
    assert flow.has_room


def test_a_client_that_acks_gets_a_window_of_bytes() -> None:
    flow = Flow()
    flow.acked(0, now=0.0)
    send(flow, 1, size=WINDOW_BYTES)

    assert not flow.has_room
    assert not flow.acked(0, now=1.0)
    assert flow.acked(1, now=1.0)


def test_an_ack_ahead_of_everything_is_harmless() -> None:
    flow = Flow()
    send(flow, 5)
    flow.acked(10**18, now=1.0)

    assert flow.has_room


def test_push_latency_is_the_median_of_the_last_acks_less_what_the_client_held() -> None:
    flow = Flow()
    for seq, (published, acked, held) in enumerate(
        [(0.0, 9.0, 0.0), (1.0, 1.010, 0), (2.0, 2.120, 0.1), (3.0, 3.5, 0)], 1
    ):
        send(flow, seq, published=published)
        flow.acked(seq, now=acked, held_seconds=held)

    # The first has no publication time (an answer), so there are three samples: 10, 20 and 500 ms.
    assert flow.push_ms == 20.0


def test_messages_outside_the_feed_are_not_tracked() -> None:
    flow = Flow()
    flow.acked(0, now=0.0)
    for _ in range(2000):
        send(flow, 0)

    assert flow.has_room
    assert flow.push_ms is None
