"""Writes the task's output file. Never blocks the task: above the rate, or on a full disk, it drops and counts."""

from __future__ import annotations

import os

from nodes.agent.runner.shim import frames
from nodes.agent.runner.shim.lines import Line, LineSplitter
from nodes.agent.runner.shim.marker import END, START, read_marker
from nodes.agent.runner.shim.rate import RateLimit
from nodes.core.secrets import Redactor

TYPE_CHECKING = False  # Type checkers know this name; importing `typing` would cost memory in every task.
if TYPE_CHECKING:
    from collections.abc import Callable

_FULL_SECONDS = 60.0  # Between two notices when a task's output has reached its limit.
_DISK_SECONDS = 1.0  # Between two attempts to write to a failing disk.


class Output:
    """Numbers the lines; dropped lines appear in the file as "N lines suppressed" in their place."""

    def __init__(
        self,
        path: str,
        *,
        rate: RateLimit,
        size_limit_bytes: int,
        idle_flush_seconds: float,
        redactor: Redactor | None = None,
    ) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._rate = rate
        self._redactor = redactor or Redactor()
        self._size_limit_bytes = size_limit_bytes
        self._idle_flush_seconds = idle_flush_seconds
        self._splitters = {kind: LineSplitter(frames.LINE_CAP_BYTES) for kind in (frames.STDOUT, frames.STDERR)}
        self._partial_since: dict[int, float] = {}  # When the unfinished line of a stream last grew.
        self._unreported = 0  # Dropped since the last notice in the file.
        self._next_number = 1
        self.size_bytes = 0
        self.suppressed_lines = 0

    def take(self, kind: int, data: bytes, *, now: float, at_ms: int) -> None:
        """One chunk of a stream."""
        splitter = self._splitters[kind]
        if self.size_bytes >= self._size_limit_bytes:
            self._rate.suspend(now + _FULL_SECONDS)
        if self._rate.allows(now):
            lines = splitter.feed(data)
            self._rate.spend(lines=len(lines), size_bytes=len(data))
            self._write(kind, lines, splitter.before, now=now, at_ms=at_ms)
        else:
            self._redactor.skip(kind, data)
            self._drop(splitter.skip(data))
        if splitter.has_partial:
            self._partial_since[kind] = now
        else:
            self._partial_since.pop(kind, None)

    def finish(self, kind: int, *, now: float, at_ms: int) -> None:
        """Handles the end of the stream, whose last line may lack a newline."""
        self._flush(kind, None, now=now, at_ms=at_ms)

    def tick(self, *, now: float, at_ms: int) -> None:
        """Flushes prompts that have waited long enough; reports dropped lines once the rate is back to normal."""
        if now < self._rate.silent_until:
            return
        for kind, since in list(self._partial_since.items()):
            if now >= since + self._idle_flush_seconds:
                self._flush(kind, self._held_from, now=now, at_ms=at_ms)
        if self._unreported:
            self._append_lines([], now=now, at_ms=at_ms)

    def deadline(self) -> float | None:
        """When `tick` must be called next."""
        times = [since + self._idle_flush_seconds for since in self._partial_since.values()]
        if self._unreported:
            times.append(self._rate.silent_until)
        return max(min(times), self._rate.silent_until) if times else None

    def note(self, text: str, *, now: float, at_ms: int) -> None:
        """Adds a line of the shim's own."""
        self._append_lines([(frames.SYSTEM, text.encode(), 0)], now=now, at_ms=at_ms)

    def close(self, *, now: float, at_ms: int) -> None:
        for kind in self._splitters:
            self.finish(kind, now=now, at_ms=at_ms)
        if self._unreported:
            self._append_lines([], now=now, at_ms=at_ms)
        os.close(self._file)

    def _flush(self, kind: int, held_from: Callable[[bytes, bytes], int] | None, *, now: float, at_ms: int) -> None:
        """Text that may be the start of a secret waits for the rest, however long that takes."""
        splitter = self._splitters[kind]
        line = splitter.flush(held_from)
        self._partial_since.pop(kind, None)
        if line is not None:
            self._write(kind, [line], splitter.before, now=now, at_ms=at_ms)

    def _held_from(self, text: bytes, before: bytes) -> int:
        # Only a complete line shows whether it is a marker.
        return 0 if text.startswith(START) and not before else self._redactor.held_from(text, before)

    @property
    def lines(self) -> int:
        return self._next_number - 1

    @property
    def redacted(self) -> int:
        """Secrets replaced so far."""
        return self._redactor.redacted

    @property
    def withheld_lines(self) -> int:
        return self._redactor.withheld

    def _write(self, kind: int, lines: list[Line], before: bytes, *, now: float, at_ms: int) -> None:
        """`before`: what was already written of the first line, whose rest may be the secret that it introduces."""
        hidden = self._redactor.lines(kind, lines, before)
        typed = []
        cap = frames.LINE_CAP_BYTES
        for (raw, _), (text, cut) in zip(lines, hidden, strict=True):
            if raw.startswith(START) and not before and not cut and read_marker(raw) is not None:
                # A secret at the end of the message takes the end of the marker with it.
                marker = text if text.endswith(END) else text + END
                if read_marker(marker) is not None:
                    typed.append((frames.PROGRESS, marker[:cap], 0))
                    continue
            before = b""
            # The replacement may be longer than the secret.
            typed.append((kind, text[:cap], cut + max(0, len(text) - cap)))
        self._append_lines(typed, now=now, at_ms=at_ms)

    def _append_lines(self, lines: list[tuple[int, bytes, int]], *, now: float, at_ms: int) -> None:
        """Appends everything or, if the disk fails, nothing: a partial frame would make all later ones unreadable."""
        number = self._next_number
        packed = []
        if self._unreported:
            notice = f"{self._unreported} lines suppressed".encode()
            packed.append(frames.pack(frames.SYSTEM, at_ms, number, 0, notice))
            number += 1
        for kind, text, truncated_bytes in lines:
            is_line = kind != frames.PROGRESS
            packed.append(frames.pack(kind, at_ms, number if is_line else 0, truncated_bytes, text))
            number += is_line
        if not packed:
            return
        if self._append(b"".join(packed)):
            self._next_number = number
            self._unreported = 0
        else:
            self._drop(sum(kind != frames.PROGRESS for kind, _, _ in lines))
            self._rate.suspend(now + _DISK_SECONDS)

    def _append(self, data: bytes) -> bool:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:  # The caller counts the lines as dropped and reports them later.
            os.ftruncate(self._file, self.size_bytes)
            return False
        self.size_bytes += len(data)
        return True

    def _drop(self, count: int) -> None:
        self._unreported += count
        self.suppressed_lines += count
