"""A token bucket: a steady rate that allows a burst. Pure: time is passed in.

It imports nothing, because each task's shim loads it.
"""

from __future__ import annotations


class TokenBucket:
    """Starts with `burst` tokens, never holds more, and gains `per_second`."""

    __slots__ = ("_burst", "_filled_at", "_per_second", "_tokens")

    def __init__(self, *, burst: float, per_second: float, now: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._tokens = burst
        self._filled_at = now

    def level(self, now: float) -> float:
        """The tokens held now; below zero after `spend` took more than there were."""
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        return self._tokens

    def take(self, now: float) -> bool:
        """Takes one token if there is one."""
        if self.level(now) < 1:
            return False
        self._tokens -= 1
        return True

    def spend(self, tokens: float) -> None:
        """Takes this many, even if fewer are left; call `level` first."""
        self._tokens -= tokens

    def wait_seconds(self, now: float) -> float:
        """Until `take` succeeds; 0 = now."""
        return max(0.0, 1 - self.level(now)) / self._per_second
