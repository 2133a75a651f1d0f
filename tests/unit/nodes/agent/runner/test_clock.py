from __future__ import annotations

from nodes.agent.runner.shim.clock import TaskClock


def test_pauses_move_the_deadline() -> None:
    clock = TaskClock(started=100.0, timeout_seconds=10.0)
    assert clock.deadline() == 110.0

    clock.pause(104.0)
    assert clock.deadline() is None
    assert clock.paused_seconds(106.0) == 2.0
    clock.resume(109.0)

    assert clock.deadline() == 115.0
    assert clock.paused_seconds(200.0) == 5.0


def test_pausing_twice_has_no_further_effect() -> None:
    clock = TaskClock(started=0.0, timeout_seconds=10.0)
    clock.pause(1.0)
    clock.pause(5.0)
    clock.resume(6.0)
    clock.resume(9.0)

    assert clock.paused_seconds(9.0) == 5.0


def test_without_a_timeout_there_is_no_deadline() -> None:
    assert TaskClock(started=0.0, timeout_seconds=0.0).deadline() is None
