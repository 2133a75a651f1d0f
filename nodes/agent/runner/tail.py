"""Hands a task's output over to the journal: each line exactly once, even if the agent or the shim crashes.

The journal commits the offset together with the lines it covers; a new agent continues from there.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from nodes.agent.runner.emit import Emit
from nodes.agent.runner.levels import level_of
from nodes.agent.runner.progress import Progress, parse_progress
from nodes.agent.runner.shim import frames
from nodes.agent.runner.task_folder import attempt_key
from nodes.domain.events import LogBatch, LogLine
from nodes.domain.states import LogLevel, LogStream

logger = logging.getLogger(__name__)

MAX_LINES = 500
MAX_BYTES = 200 * 1024
_READ_BYTES = MAX_BYTES
_KEPT_LINES = 50
_READ_AGAIN_BYTES = 1 << 20

_STREAMS: Mapping[int, LogStream] = {
    frames.STDOUT: LogStream.STDOUT,
    frames.STDERR: LogStream.STDERR,
    frames.SYSTEM: LogStream.SYSTEM,
}


class OutputTail:
    def __init__(
        self,
        path: Path,
        *,
        task_id: str,
        attempt: int,
        offset: int,
        emit: Emit,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._path = path
        self._task_id = task_id
        self._attempt = attempt
        self._emit = emit
        self._on_progress = on_progress
        self._next_line = 1
        self._last: deque[bytes] = deque(maxlen=_KEPT_LINES)
        self._offset_found = offset
        self.offset = offset

    def last_lines(self) -> list[str]:
        """The newest lines; of long output that an earlier agent handed over, only the lines since then."""
        lines = list(self._last)
        if len(lines) < _KEPT_LINES and 0 < self._offset_found <= _READ_AGAIN_BYTES:
            lines = [*self._handed_over_before(), *lines][-_KEPT_LINES:]
        return [line.decode("utf-8", "replace") for line in lines]

    def forget_lines(self) -> None:
        """Frees the last lines: they may be 16 KiB each, and are not needed once the task has ended."""
        self._last.clear()

    def _handed_over_before(self) -> list[bytes]:
        try:
            with self._path.open("rb") as file:
                found, _ = frames.unpack(file.read(self._offset_found), max_frames=_READ_AGAIN_BYTES)
        except (OSError, frames.BadFrame) as error:
            logger.debug("cannot read earlier output: %s", error, extra={"task_id": self._task_id})
            return []
        return [payload for kind, _, _, _, payload in found if kind != frames.PROGRESS]

    async def drain(self) -> bool:
        """Hands over the output written so far; returns whether there was any."""
        any_read = False
        while taken := self._read():
            any_read = True
            lines, first_line, self.offset = taken
            if lines:
                self._last.extend(line.text for line in lines[-_KEPT_LINES:])
                batch = LogBatch(
                    task_id=self._task_id, attempt=self._attempt, first_line=first_line, lines=tuple(lines)
                )
                await self._emit(batch, cursor=(attempt_key(self._task_id, self._attempt), self.offset))
        return any_read

    def _read(self) -> tuple[list[LogLine], int, int] | None:
        """Lines, the number of the first, and the offset after them; None at the end of the file."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return None  # A task that never ran has no output.
        try:
            buffer = os.pread(descriptor, _READ_BYTES, self.offset)
        finally:
            os.close(descriptor)
        try:
            found, size = frames.unpack(buffer, max_frames=MAX_LINES)
        except frames.BadFrame:
            return self._skip_damage()
        if not found:
            return None
        lines: list[LogLine] = []
        first_line = 0
        for kind, at_ms, number, truncated_bytes, payload in found:
            if kind == frames.PROGRESS:
                self._take_progress(payload)
                continue
            first_line = first_line or number
            self._next_line = number + 1
            level = _system_level(payload) if kind == frames.SYSTEM else level_of(payload)
            lines.append(LogLine(at_ms, level, _STREAMS[kind], payload, truncated_bytes))
        return lines, first_line, self.offset + size

    def _take_progress(self, payload: bytes) -> None:
        progress = parse_progress(payload)
        if progress is not None:
            self._on_progress(progress)

    def _skip_damage(self) -> tuple[list[LogLine], int, int]:
        """The file is damaged (for example by a power cut): the rest is unreadable, and a line says so instead."""
        size = self._path.stat().st_size
        logger.warning("output of a task is damaged", extra={"task_id": self._task_id, "offset": self.offset})
        text = f"the output file is damaged: {size - self.offset} bytes from here on are lost".encode()
        line = LogLine(0, LogLevel.WARNING, LogStream.SYSTEM, text)
        return [line], self._next_line, size


def _system_level(payload: bytes) -> LogLevel:
    return LogLevel.WARNING if payload.endswith(b"suppressed") else LogLevel.INFO
