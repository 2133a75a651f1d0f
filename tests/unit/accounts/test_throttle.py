"""Rate limits of login attempts and requests."""

from __future__ import annotations

from dashboard.accounts.throttle import LoginThrottle
from dashboard.api.throttles import Buckets


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_tries_are_refused_until_the_window_is_over() -> None:
    time = Time()
    throttle = LoginThrottle(limit=2, window_seconds=60, mono=time)
    throttle.failed("Ada", "10.0.0.1")
    time.now += 20
    assert throttle.wait_seconds("ada", "10.0.0.1") == 0
    throttle.failed("ada", "10.0.0.1")

    assert throttle.wait_seconds("ADA", "10.0.0.1") == 40
    assert throttle.wait_seconds("ada", "10.0.0.2") == 0
    assert throttle.wait_seconds("bob", "10.0.0.1") == 0
    time.now += 40
    assert throttle.wait_seconds("ada", "10.0.0.1") == 0


def test_old_failures_do_not_add_up() -> None:
    time = Time()
    throttle = LoginThrottle(limit=2, window_seconds=60, mono=time)
    for _ in range(5):
        throttle.failed("ada", "10.0.0.1")
        time.now += 61

    assert throttle.wait_seconds("ada", "10.0.0.1") == 0


def test_a_success_clears_the_failures() -> None:
    throttle = LoginThrottle(limit=2)
    throttle.failed("ada", "10.0.0.1")
    throttle.succeeded("ada", "10.0.0.1")
    throttle.failed("ada", "10.0.0.1")

    assert throttle.wait_seconds("ada", "10.0.0.1") == 0


def test_memory_is_bounded() -> None:
    throttle = LoginThrottle(limit=1, max_entries=10)
    for number in range(100):
        throttle.failed(f"user-{number}", "10.0.0.1")

    assert sum(throttle.wait_seconds(f"user-{number}", "10.0.0.1") > 0 for number in range(100)) == 10


def test_a_bucket_allows_a_burst_and_then_its_rate() -> None:
    time = Time()
    buckets = Buckets(burst=3, per_second=2, mono=time)

    assert [buckets.take(1) for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.take(2) == 0
    time.now += 0.5
    assert [buckets.take(1) for _ in range(2)] == [0, 0.5]


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    time = Time()
    buckets = Buckets(burst=2, per_second=1, mono=time)
    buckets.take(1)
    time.now += 1000

    assert [buckets.take(1) for _ in range(3)] == [0, 0, 1]
