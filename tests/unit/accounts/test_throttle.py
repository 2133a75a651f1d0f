"""Rate limits of login attempts and requests."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache.backends.locmem import LocMemCache

from dashboard.accounts.throttle import WINDOW_SECONDS, LoginLimits, LoginThrottle, TooManyAttempts
from nodes.limits import Buckets
from tests.support.processes import free_port


class Time:
    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def never() -> bool:
    return False


def fail(throttle: LoginThrottle, username: str, source: str, times: int = 1) -> int:
    """How many of the attempts were let through to the password check."""
    passed = 0
    for _ in range(times):
        try:
            throttle.begin(username, source, is_known=never)
        except TooManyAttempts:
            continue
        passed += 1
    return passed


def test_a_pair_is_refused_until_its_window_is_over() -> None:
    time = Time(3 * WINDOW_SECONDS)
    throttle = LoginThrottle(LoginLimits(pair=2), now=time)
    time.now += 20
    assert fail(throttle, "Ada", "10.0.0.1", 3) == 2

    with pytest.raises(TooManyAttempts) as refused:
        throttle.begin("ada", "10.0.0.1", is_known=never)

    assert refused.value.wait_seconds == WINDOW_SECONDS - 20
    assert fail(throttle, "ada", "10.0.0.2") == 1
    time.now += WINDOW_SECONDS - 20
    assert fail(throttle, "ada", "10.0.0.1") == 1


def test_one_address_may_not_try_one_password_on_many_names() -> None:
    throttle = LoginThrottle()

    assert sum(fail(throttle, f"user-{number}", "10.0.0.1") for number in range(60)) == LoginLimits().address
    assert fail(throttle, "user-1", "10.0.0.2") == 1


def test_one_name_may_not_be_tried_from_many_addresses_except_known_ones() -> None:
    throttle = LoginThrottle()

    assert sum(fail(throttle, "ada", f"10.0.0.{number}") for number in range(60)) == LoginLimits().name

    throttle.succeeded(throttle.begin("ada", "192.0.2.7", is_known=lambda: True))
    assert fail(throttle, "bob", "10.0.0.1") == 1


def test_an_address_over_its_limit_adds_no_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    throttle = LoginThrottle(LoginLimits(address=1))
    fail(throttle, "ada", "10.0.0.1")
    added: list[str] = []
    monkeypatch.setattr(LocMemCache, "add", lambda cache, key, *rest, **options: added.append(key))

    for number in range(50):
        fail(throttle, f"user-{number}", "10.0.0.1")

    assert len(set(added)) == 1


def test_refused_attempts_use_up_no_other_limit() -> None:
    throttle = LoginThrottle(LoginLimits(pair=8, address=1, name=2))
    fail(throttle, "ada", "10.0.0.1", 50)

    assert fail(throttle, "ada", "10.0.0.2") == 1


def test_all_attempts_together_are_limited_except_from_known_addresses() -> None:
    throttle = LoginThrottle(LoginLimits(all=5))

    assert sum(fail(throttle, f"user-{number}", f"10.0.0.{number}") for number in range(9)) == 5
    throttle.begin("ada", "192.0.2.7", is_known=lambda: True)


def test_a_success_forgets_its_own_failures_but_not_those_of_its_address() -> None:
    throttle = LoginThrottle(LoginLimits(pair=2, address=4))
    fail(throttle, "ada", "10.0.0.1")
    throttle.succeeded(throttle.begin("ada", "10.0.0.1", is_known=never))
    assert fail(throttle, "ada", "10.0.0.1", 3) == 2

    assert fail(throttle, "bob", "10.0.0.1", 2) == 1


def test_an_attempt_that_was_not_checked_does_not_count() -> None:
    throttle = LoginThrottle(LoginLimits(pair=1))
    throttle.withdrawn(throttle.begin("ada", "10.0.0.1", is_known=never))

    assert fail(throttle, "ada", "10.0.0.1") == 1


def test_without_an_answer_from_redis_the_process_counts_for_itself(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}"
    shared = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": nobody}
    settings.CACHES = {**settings.CACHES, "shared": shared}

    assert fail(LoginThrottle(LoginLimits(pair=2)), "ada", "10.0.0.1", 5) == 2
    assert "Redis does not answer" in caplog.text


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
