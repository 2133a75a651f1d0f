"""The bounded queue of messages for one socket. A browser that does not read costs little and loses nothing silently.

- States and answers keep their order. At 1,000 messages or 1 MiB the outbox overflows, and the socket is closed (4008).
- Logs: the last 500 lines are kept; dropped lines are reported as `Skipped`.
- Metrics: the newest per node is kept.
- Answers to SUBSCRIBE are shared by many sockets, so their bytes do not count here. At most four may wait.

These limits apply to a client that has fallen behind. For a client that keeps reading they are several times higher,
because its writer may not have been able to send yet.

States and logs are sent in feed order: a client's position is a single number and must never pass waiting messages.
Pure: no clock, no socket.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from dashboard.live.frames import Answer, Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxLimits:
    state_messages: int = 1000
    state_bytes: int = 1 << 20
    log_lines: int = 500
    log_bytes: int = 512 << 10
    answers: int = 4


# The limits are this many times higher for a client that has not fallen behind.
_BURST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """Log messages that were dropped; `first_seq` to `last_seq` are their feed numbers."""

    messages: int
    lines: int
    first_seq: int
    last_seq: int


def _do_nothing() -> None:
    pass


class Outbox:
    """Calls `wake` at most once per batch; it must only wake a waiting writer."""

    def __init__(self, limits: OutboxLimits | None = None, *, wake: Callable[[], None] = _do_nothing) -> None:
        self.wake = wake
        self.is_overflown = False
        self._is_behind = False
        self._limits = limits or OutboxLimits()
        self._order = 0
        self._states: deque[tuple[int, Frame | Answer]] = deque()
        self._state_bytes = 0
        self._answers = 0
        self._logs: deque[tuple[int, Frame]] = deque()
        self._log_bytes = 0
        self._log_lines = 0
        self._skipped: Skipped | None = None
        self._metrics: dict[str, Frame] = {}

    def __bool__(self) -> bool:
        return bool(self._states or self._logs or self._metrics or self._skipped)

    @property
    def held_bytes(self) -> int:
        return self._state_bytes + self._log_bytes + sum(frame.size_bytes for frame in self._metrics.values())

    def put(self, frame: Frame) -> None:
        """Never raises: a full outbox drops its messages and sets `is_overflown`."""
        if self.is_overflown:
            return
        if frame.lane == "metrics":
            # Deleted first, so that the newest is also the last.
            self._metrics.pop(frame.key, None)
            self._metrics[frame.key] = frame
            return
        self._order += 1
        if frame.lane == "logs":
            self._put_log(frame)
        else:
            self._put_state(frame)

    def put_answer(self, answer: Answer) -> None:
        if self.is_overflown or not answer.frames:
            return
        self._order += 1
        self._states.append((self._order, answer))
        self._answers += 1
        self._check_limits()

    def _put_state(self, frame: Frame) -> None:
        self._states.append((self._order, frame))
        self._state_bytes += frame.size_bytes
        self._check_limits()

    def _check_limits(self) -> None:
        limits = self._limits
        burst = 1 if self._is_behind else _BURST
        if (
            len(self._states) > limits.state_messages * burst
            or self._state_bytes > limits.state_bytes * burst
            or self._answers > limits.answers
        ):
            self.overflow()

    def overflow(self) -> None:
        """Drops all messages: the socket will be closed, and its client gets a snapshot later."""
        self.clear()
        self.is_overflown = True

    def _put_log(self, frame: Frame) -> None:
        self._logs.append((self._order, frame))
        self._log_bytes += frame.size_bytes
        self._log_lines += frame.line_count
        self._trim_logs()

    def _trim_logs(self) -> None:
        limits = self._limits
        if not self._is_behind:
            while self._log_bytes > limits.log_bytes * _BURST:
                self._skip(self._pop_log())
            return
        while self._log_bytes > limits.log_bytes or (self._log_lines > limits.log_lines and len(self._logs) > 1):
            self._skip(self._pop_log())

    def fall_behind(self) -> None:
        """The client has not drained for a while: applies the strict limits until the outbox is empty."""
        if not self._is_behind:
            self._is_behind = True
            self._trim_logs()
            self._check_limits()

    def _skip(self, frame: Frame) -> None:
        before = self._skipped
        self._skipped = Skipped(
            messages=(before.messages if before else 0) + 1,
            lines=(before.lines if before else 0) + frame.line_count,
            first_seq=before.first_seq if before else frame.seq,
            last_seq=frame.seq,
        )

    def take(self, max_bytes: int) -> list[Frame | Skipped]:
        """Takes the oldest items, up to `max_bytes`; at least one item if there is any."""
        taken: list[Frame | Skipped] = []
        if len(self._states) == 1 and not (self._logs or self._metrics or self._skipped):
            # Fast path; the rest of this method does the same, but slower.
            item = self._pop_state()
            self._is_behind = False
            return [item] if isinstance(item, Frame) else list(item.frames)
        if self._skipped:
            # Older than every remaining log line.
            taken.append(self._skipped)
            self._skipped = None
        size = 0
        states, logs = self._states, self._logs
        while (states or logs) and size < max_bytes:
            item = self._pop_log() if logs and (not states or logs[0][0] < states[0][0]) else self._pop_state()
            size += item.size_bytes
            if isinstance(item, Frame):
                taken.append(item)
            else:
                taken += item.frames
        if size < max_bytes and self._metrics:
            taken += self._metrics.values()
            self._metrics.clear()
        if not self:
            self._is_behind = False
        return taken

    def _pop_state(self) -> Frame | Answer:
        item = self._states.popleft()[1]
        if isinstance(item, Frame):
            self._state_bytes -= item.size_bytes
        else:
            self._answers -= 1
        return item

    def _pop_log(self) -> Frame:
        frame = self._logs.popleft()[1]
        self._log_bytes -= frame.size_bytes
        self._log_lines -= frame.line_count
        return frame

    def position(self, published: int) -> int:
        """The feed number up to which everything was taken for this socket, while the feed is at `published`."""
        for _, item in (*self._states, *self._logs):
            first = item.seq if isinstance(item, Frame) else item.first_seq
            if first:
                published = min(published, first - 1)
        return published

    def clear(self) -> None:
        self._states.clear()
        self._logs.clear()
        self._metrics.clear()
        self._skipped = None
        self._state_bytes = self._log_bytes = self._log_lines = self._answers = 0
