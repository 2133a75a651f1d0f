"""docs/websocket.md, "Limits": 20 messages a second, 4 further ACKs a second, and repeated violations."""

from __future__ import annotations

from dashboard.live.rate_guard import VIOLATIONS, RateGuard


def test_twenty_messages_a_second() -> None:
    guard = RateGuard(0.0)

    assert [guard.may_send(0.0, is_ack=False) for _ in range(21)] == [True] * 20 + [False]
    assert guard.may_send(0.05, is_ack=False)
    assert not guard.may_send(0.05, is_ack=False)


def test_acks_count_only_above_four_a_second() -> None:
    guard = RateGuard(0.0)

    assert all(guard.may_send(0.0, is_ack=True) for _ in range(4 + 20))
    assert not guard.may_send(0.0, is_ack=True)
    assert guard.may_send(0.25, is_ack=True)


def test_only_violations_in_a_short_time_are_too_many() -> None:
    guard = RateGuard(0.0)
    assert [guard.note_violation(n * 0.1) for n in range(VIOLATIONS)] == [False] * (VIOLATIONS - 1) + [True]

    guard = RateGuard(0.0)
    assert not any(guard.note_violation(n * 10.0) for n in range(50))
