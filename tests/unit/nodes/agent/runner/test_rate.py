from __future__ import annotations

from nodes.agent.runner.shim.rate import RateLimit


def limit(**more: float) -> RateLimit:
    values = {"lines_per_second": 10.0, "bytes_per_second": 1000.0, "burst_seconds": 2.0, "now": 0.0} | more
    return RateLimit(**values)


def test_a_burst_passes_then_a_second_of_silence_then_the_rate() -> None:
    rate = limit()
    passed = 0
    while rate.allows(0.0):
        rate.spend(lines=1, size_bytes=1)
        passed += 1
    assert passed == 20
    assert not rate.allows(0.99)

    passed = 0
    while rate.allows(1.0):
        rate.spend(lines=1, size_bytes=1)
        passed += 1
    assert passed == 10


def test_bytes_count_as_well_as_lines() -> None:
    rate = limit()
    assert rate.allows(0.0)
    rate.spend(lines=1, size_bytes=2001)

    assert not rate.allows(0.0)
    assert rate.silent_until == 1.0


def test_a_negative_balance_is_refilled_over_time() -> None:
    rate = limit()
    rate.allows(0.0)
    rate.spend(lines=60, size_bytes=0)  # 40 more than available: four seconds' worth.

    assert [rate.allows(float(second)) for second in range(1, 6)] == [False, False, False, False, True]


def test_suspend_refuses_everything() -> None:
    rate = limit()
    rate.suspend(60.0)

    assert not rate.allows(59.0)
    assert rate.allows(60.0)
