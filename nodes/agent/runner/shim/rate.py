"""Limits how much output is kept: a token bucket for lines and bytes. Pure: time is passed in."""

from __future__ import annotations

SILENCE_SECONDS = 1.0


class RateLimit:
    """Above the rate, it refuses for a full second: one notice about thousands of lines, not thousands of notices."""

    __slots__ = ("_burst", "_bytes", "_bytes_per_second", "_lines", "_lines_per_second", "_refilled", "_silent_until")

    def __init__(self, *, lines_per_second: float, bytes_per_second: float, burst_seconds: float, now: float) -> None:
        self._lines_per_second = lines_per_second
        self._bytes_per_second = bytes_per_second
        self._burst = burst_seconds
        self._lines = lines_per_second * burst_seconds
        self._bytes = bytes_per_second * burst_seconds
        self._refilled = now
        self._silent_until = now

    @property
    def silent_until(self) -> float:
        return self._silent_until

    def allows(self, now: float) -> bool:
        """Whether the next chunk may be kept; if so, call `spend` with its size."""
        if now < self._silent_until:
            return False
        elapsed = now - self._refilled
        self._refilled = now
        self._lines = min(self._lines + elapsed * self._lines_per_second, self._lines_per_second * self._burst)
        self._bytes = min(self._bytes + elapsed * self._bytes_per_second, self._bytes_per_second * self._burst)
        if self._lines > 0 and self._bytes > 0:
            return True
        self._silent_until = now + SILENCE_SECONDS
        return False

    def suspend(self, until: float) -> None:
        """Refuses everything until then, regardless of the rate: the disk is full."""
        self._silent_until = max(self._silent_until, until)

    def spend(self, *, lines: int, size_bytes: int) -> None:
        """Takes the tokens of a chunk. The balance may go below zero by one chunk, until the next refill."""
        self._lines -= lines
        self._bytes -= size_bytes
