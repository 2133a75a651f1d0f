"""The task's running time, not counting pauses."""

from __future__ import annotations


class TaskClock:
    """Pure: monotonic times are passed in."""

    __slots__ = ("_paused_at", "_paused_before", "_started", "_timeout")

    def __init__(self, *, started: float, timeout_seconds: float) -> None:
        self._started = started
        self._timeout = timeout_seconds
        self._paused_at: float | None = None
        self._paused_before = 0.0

    @property
    def is_paused(self) -> bool:
        return self._paused_at is not None

    def pause(self, now: float) -> None:
        if self._paused_at is None:
            self._paused_at = now

    def resume(self, now: float) -> None:
        if self._paused_at is not None:
            self._paused_before += now - self._paused_at
            self._paused_at = None

    def paused_seconds(self, now: float) -> float:
        return self._paused_before + (0.0 if self._paused_at is None else now - self._paused_at)

    def deadline(self) -> float | None:
        """The monotonic time of the timeout; None while paused or without a timeout."""
        if self._timeout <= 0 or self._paused_at is not None:
            return None
        return self._started + self._timeout + self._paused_before
