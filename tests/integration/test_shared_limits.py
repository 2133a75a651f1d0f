"""With Redis, all web processes count wrong passwords together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches

from dashboard.accounts.throttle import LoginLimits, LoginThrottle, TooManyAttempts
from tests.support.redis import RedisServer


@pytest.fixture
def redis(tmp_path: Path, settings: Any) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path).start()
    shared = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": server.url}
    settings.CACHES = {**settings.CACHES, "shared": shared}
    yield server
    caches["shared"]._cache._pools[0].disconnect()
    server.kill()


def passes(throttle: LoginThrottle, is_known: Callable[[], bool] = lambda: False) -> bool:
    try:
        throttle.begin("ada", "10.0.0.1", is_known=is_known)
    except TooManyAttempts:
        return False
    return True


@pytest.mark.slow
def test_processes_share_their_counters_and_outlive_redis(redis: RedisServer) -> None:
    # Nothing but Redis connects two instances: the memory of this process stays empty.
    first, second = LoginThrottle(LoginLimits(pair=4)), LoginThrottle(LoginLimits(pair=4))

    assert [passes(throttle) for throttle in (first, second, first, second, first, second)] == [True] * 4 + [False] * 2
    assert not [key for key in caches["default"]._cache]  # type: ignore[attr-defined]
    redis.kill()
    assert passes(first)
