"""Limits per key: token buckets in memory, bounded, thread-safe. Each process has its own."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from nodes.token_bucket import TokenBucket


class Buckets:
    """A token bucket per key. Above `max_keys`, the least recently used one is dropped."""

    def __init__(
        self,
        *,
        burst: float,
        per_second: float,
        max_keys: int = 10_000,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst = burst
        self._per_second = per_second
        self._max_keys = max_keys
        self._mono = mono
        self._lock = threading.Lock()
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def take(self, key: Hashable) -> float:
        """Takes a token. Returns 0, or the seconds until one is available."""
        now = self._mono()
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = TokenBucket(burst=self._burst, per_second=self._per_second, now=now)
            self._buckets.move_to_end(key)
            while len(self._buckets) > self._max_keys:
                self._buckets.popitem(last=False)
            return 0.0 if bucket.take(now) else bucket.wait_seconds(now)

    def wait_seconds(self, key: Hashable) -> float:
        """The seconds until `take` succeeds, without taking anything; 0 = now."""
        now = self._mono()
        with self._lock:
            bucket = self._buckets.get(key)
            return bucket.wait_seconds(now) if bucket is not None else 0.0


class TokenLimits:
    """Limits wrong tokens per source and in all.

    Tokens cannot be guessed; the limits keep the cost of a flood low. A token that was right before is always checked:
    a flood never locks out a node or program that is at work, not even one at the flood's own address.
    """

    _ALL = ""
    _MAX_RIGHT = 10_000

    def __init__(self, *, mono: Callable[[], float] = time.monotonic) -> None:
        self._per_source = Buckets(burst=20, per_second=1 / 3, mono=mono)
        self._in_all = Buckets(burst=200, per_second=10, mono=mono)
        self._lock = threading.Lock()
        self._right: OrderedDict[bytes, None] = OrderedDict()

    def wait_seconds(self, source: str, token: str) -> float:
        """0 = check this token now; otherwise the seconds after which the sender may try again."""
        with self._lock:
            if _digest(token) in self._right:
                return 0.0
        return max(self._per_source.wait_seconds(source), self._in_all.wait_seconds(self._ALL))

    def refused(self, source: str, token: str) -> None:
        """The token is wrong, or no longer right."""
        self._per_source.take(source)
        self._in_all.take(self._ALL)
        with self._lock:
            self._right.pop(_digest(token), None)

    def accepted(self, token: str) -> None:
        with self._lock:
            self._right[_digest(token)] = None
            self._right.move_to_end(_digest(token))
            while len(self._right) > self._MAX_RIGHT:
                self._right.popitem(last=False)


def _digest(token: str) -> bytes:
    # So that this memory holds no secret.
    return hashlib.blake2b(token.encode(errors="replace"), digest_size=16).digest()
