"""Slows down password guessing, per pair of user name and address.

The key is the pair, so nobody can lock out another person from elsewhere. In memory and bounded: the pair with the
oldest failure is dropped first, which costs an attacker far more attempts than it gains.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable


class LoginThrottle:
    """Refuses attempts after `limit` failures, until `window_seconds` after the first of them. Thread-safe."""

    def __init__(
        self,
        *,
        limit: int = 8,
        window_seconds: float = 300.0,
        max_entries: int = 10_000,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._window_seconds = window_seconds
        self._max_entries = max_entries
        self._mono = mono
        self._lock = threading.Lock()
        # key → (time of the first failure, number of failures since)
        self._failures: OrderedDict[bytes, tuple[float, int]] = OrderedDict()

    def wait_seconds(self, username: str, address: str) -> float:
        """Seconds until this pair's next attempt is allowed; 0 = now."""
        key = _key(username, address)
        with self._lock:
            began, count = self._failures.get(key, (0.0, 0))
            if count < self._limit:
                return 0.0
            left = began + self._window_seconds - self._mono()
            if left <= 0:
                del self._failures[key]
            return max(left, 0.0)

    def failed(self, username: str, address: str) -> None:
        key = _key(username, address)
        now = self._mono()
        with self._lock:
            began, count = self._failures.pop(key, (now, 0))
            if now - began >= self._window_seconds:
                began, count = now, 0
            self._failures[key] = (began, count + 1)
            while len(self._failures) > self._max_entries:
                self._failures.popitem(last=False)

    def succeeded(self, username: str, address: str) -> None:
        with self._lock:
            self._failures.pop(_key(username, address), None)


def _key(username: str, address: str) -> bytes:
    # Hashed, because a name may be a megabyte long, or a password typed into the wrong field.
    text = f"{username.casefold()}\0{address}"
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=16).digest()


login_throttle = LoginThrottle()
