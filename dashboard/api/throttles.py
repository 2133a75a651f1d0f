"""Rate limits per user: a token bucket that refills steadily and allows a burst. In memory and bounded."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from nodes.token_bucket import TokenBucket

if TYPE_CHECKING:  # Circular at run time: DRF's views load these classes from the settings.
    from rest_framework.views import APIView


class Buckets:
    """A token bucket per key. Above `max_keys`, the least recently used one is dropped. Thread-safe."""

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
        self._buckets: OrderedDict[int, TokenBucket] = OrderedDict()

    def take(self, key: int) -> float:
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


class _UserThrottle(BaseThrottle):
    buckets: Buckets
    _wait_seconds = 0.0

    def allow_request(self, request: Request, view: APIView) -> bool:
        if request.user.pk is None:  # Anonymous: the permission check refuses it.
            return True
        self._wait_seconds = self.buckets.take(request.user.pk)
        return self._wait_seconds == 0

    def wait(self) -> float:
        return self._wait_seconds


class RequestThrottle(_UserThrottle):
    """Limits all requests of one user; a program may poll often."""

    buckets = Buckets(burst=1000, per_second=60)


class ChangeThrottle(_UserThrottle):
    """An additional limit for requests that change something."""

    buckets = Buckets(burst=200, per_second=10)

    def allow_request(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS or super().allow_request(request, view)
