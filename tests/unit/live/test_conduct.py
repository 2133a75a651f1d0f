"""docs/websocket.md, "Limits": 20 messages a second, 4 further ACKs a second, and repeated violations."""

from __future__ import annotations

from dashboard.live.conduct import OFFENCES, Conduct


def test_twenty_messages_a_second() -> None:
    conduct = Conduct(0.0)

    assert [conduct.may_send(0.0, is_ack=False) for _ in range(21)] == [True] * 20 + [False]
    assert conduct.may_send(0.05, is_ack=False)
    assert not conduct.may_send(0.05, is_ack=False)


def test_acks_count_only_above_four_a_second() -> None:
    conduct = Conduct(0.0)

    assert all(conduct.may_send(0.0, is_ack=True) for _ in range(4 + 20))
    assert not conduct.may_send(0.0, is_ack=True)
    assert conduct.may_send(0.25, is_ack=True)


def test_only_violations_in_a_short_time_are_too_many() -> None:
    conduct = Conduct(0.0)
    assert [conduct.offended(n * 0.1) for n in range(OFFENCES)] == [False] * (OFFENCES - 1) + [True]

    conduct = Conduct(0.0)
    assert not any(conduct.offended(n * 10.0) for n in range(50))
