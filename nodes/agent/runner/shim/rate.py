"""Limits how much output is kept: one token bucket for lines, one for bytes. Pure: time is passed in."""

from __future__ import annotations

from nodes.token_bucket import TokenBucket

SILENCE_SECONDS = 1.0


class RateLimit:
    """Above the rate, it refuses for a full second: one notice about thousands of lines, not thousands of notices."""

    __slots__ = ("_bytes", "_lines", "_silent_until")

    def __init__(self, *, lines_per_second: float, bytes_per_second: float, burst_seconds: float, now: float) -> None:
        self._lines = TokenBucket(burst=lines_per_second * burst_seconds, per_second=lines_per_second, now=now)
        self._bytes = TokenBucket(burst=bytes_per_second * burst_seconds, per_second=bytes_per_second, now=now)
        self._silent_until = now

    @property
    def silent_until(self) -> float:
        return self._silent_until

    def allows(self, now: float) -> bool:
        """Whether the next chunk may be kept; if so, call `spend` with its size."""
        if now < self._silent_until:
            return False
        if self._lines.level(now) > 0 and self._bytes.level(now) > 0:
            return True
        self._silent_until = now + SILENCE_SECONDS
        return False

    def suspend(self, until: float) -> None:
        """Refuses everything until then, regardless of the rate: the disk is full."""
        self._silent_until = max(self._silent_until, until)

    def spend(self, *, lines: int, size_bytes: int) -> None:
        """Takes the tokens of a chunk. The balance may go below zero by one chunk, until the next refill."""
        self._lines.spend(lines)
        self._bytes.spend(size_bytes)
