"""Slows down password guessing: per user name and address, per address, per user name, and in all.

Only wrong passwords count. The limits per user name and in all do not apply to an address from which that user has
logged in lately, so nobody can lock out a user from elsewhere (docs/decisions/0009-limits-of-logins.md).

The counters are in the cache: with Redis all web processes share them. If Redis does not answer, each process counts
for itself.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.core.cache import BaseCache, caches
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

T = TypeVar("T")

WINDOW_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginLimits:
    """Wrong passwords per window."""

    pair: int = 8
    address: int = 20
    name: int = 20
    all: int = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Counted as failed from its start, so that concurrent attempts cannot all pass."""

    pair: str
    others: tuple[str, ...]


class TooManyAttempts(Exception):
    def __init__(self, wait_seconds: float) -> None:
        super().__init__(wait_seconds)
        self.wait_seconds = wait_seconds


class LoginThrottle:
    def __init__(self, limits: LoginLimits | None = None, *, now: Callable[[], float] = time.time) -> None:
        self._limits = limits or LoginLimits()
        # The wall clock, because processes share the counters. A window is a part of the key, so a counter whose expiry
        # was lost still ends with its window.
        self._now = now

    def begin(self, username: str, source: str, *, is_known: Callable[[], bool]) -> Attempt:
        """Raises `TooManyAttempts`. `is_known`: whether the user has logged in from there; asked only when needed."""
        window, passed = divmod(self._now(), WINDOW_SECONDS)
        name, limits = username.casefold(), self._limits
        pair = _key(window, "pair", name, source)
        counted: list[str] = []
        for key, limit, is_strict in (
            # First: an address over its limit cannot fill the cache with counters of names.
            (_key(window, "address", source), limits.address, True),
            (pair, limits.pair, True),
            (_key(window, "name", name), limits.name, False),
            (_key(window, "all"), limits.all, False),
        ):
            counted.append(key)
            if _with_counters(partial(_add, key)) > limit and (is_strict or not is_known()):
                _give_back(counted)
                raise TooManyAttempts(WINDOW_SECONDS - passed)
        return Attempt(pair=pair, others=tuple(key for key in counted if key != pair))

    def succeeded(self, attempt: Attempt) -> None:
        """The password was right. Forgets the failures of this pair only: otherwise an attacker with an account of
        their own could reset the counter of their address.
        """
        _with_counters(lambda cache: cache.delete(attempt.pair))
        _give_back(attempt.others)

    def withdrawn(self, attempt: Attempt) -> None:
        """The password was not checked."""
        _give_back((attempt.pair, *attempt.others))


def _add(key: str, cache: BaseCache) -> int:
    cache.add(key, 0, timeout=2 * WINDOW_SECONDS)
    try:
        return cache.incr(key)
    except ValueError:  # Dropped in between, because the cache is full.
        return 1


def _give_back(keys: tuple[str, ...] | list[str]) -> None:
    def take(cache: BaseCache) -> None:
        for key in keys:
            try:
                cache.decr(key)
            except ValueError:
                pass  # Its window is over, or a success has deleted it.

    _with_counters(take)


def _with_counters(work: Callable[[BaseCache], T]) -> T:
    if "shared" in settings.CACHES:
        try:
            return work(caches["shared"])
        except RedisError as exc:
            logger.warning("Redis does not answer; this process counts wrong passwords for itself: %s", exc)
    return work(caches["default"])


def _key(window: float, *parts: str) -> str:
    # Hashed, because a name may be very long, or a password typed into the wrong field.
    text = "\0".join(parts)
    return f"login:{window:.0f}:{hashlib.blake2b(text.encode(errors='replace'), digest_size=16).hexdigest()}"


login_throttle = LoginThrottle()
