"""Cuts a byte stream into lines of bounded length. Pure: bytes in, lines out."""

from __future__ import annotations

TYPE_CHECKING = False  # Type checkers know this name; importing `typing` would cost memory in every task.
if TYPE_CHECKING:
    from collections.abc import Callable

Line = tuple[bytes, int]
"""(text without its line end, bytes truncated at the cap)"""


class LineSplitter:
    """Keeps the first `cap` bytes of each line; drops and counts the rest."""

    __slots__ = ("_cap", "_flushed", "_pending", "_shown", "_truncated", "before")

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._pending = bytearray()
        self._truncated = 0
        # The last line was returned without its end: a newline that follows belongs to it.
        self._flushed = False
        self._shown = b""  # What `flush` has returned of the current line.
        # What `flush` had returned of the first line that the last call returned: the line continues it.
        self.before = b""

    @property
    def has_partial(self) -> bool:
        return bool(self._pending)

    def feed(self, data: bytes) -> list[Line]:
        """The lines that `data` completes."""
        data = self._without_owed_newline(data)
        self.before = self._shown
        parts = data.split(b"\n")
        lines: list[Line] = []
        for part in parts[:-1]:
            self._extend(part)
            lines.append(self._take())
            self._shown = b""
        self._extend(parts[-1])
        return lines

    def skip(self, data: bytes) -> int:
        """Like `feed`, but drops the completed lines and only counts them."""
        data = self._without_owed_newline(data)
        count = data.count(b"\n")
        if count:
            self._pending.clear()
            self._truncated = 0
            self._shown = b""
            data = data[data.rindex(b"\n") + 1 :]
        self._extend(data)
        return count

    def flush(self, held_from: Callable[[bytes, bytes], int] | None = None) -> Line | None:
        """Returns the unfinished line as if it had ended: a prompt, or the end of a stream.

        The part from offset `held_from(text, before)` on stays in the buffer and is joined with later data.
        """
        self.before = self._shown
        if not self._pending:
            return None
        held = b""
        if held_from is not None and not self._truncated:
            start = held_from(bytes(self._pending), self._shown)
            if start == 0:
                return None
            held = bytes(self._pending[start:])
            del self._pending[start:]
        line = self._take()
        self._shown = (self._shown + line[0])[-self._cap :]
        self._pending += held
        self._flushed = not held
        return line

    def _without_owed_newline(self, data: bytes) -> bytes:
        if self._flushed and data:
            self._flushed = False
            for end in (b"\n", b"\r\n"):
                if data.startswith(end):
                    self._shown = b""
                    return data[len(end) :]
        return data

    def _extend(self, part: bytes) -> None:
        room = self._cap - len(self._pending)
        self._pending += part[:room]
        self._truncated += max(0, len(part) - room)

    def _take(self) -> Line:
        # A truncated line has no line end to remove: its carriage return is text.
        text = self._pending if self._truncated else self._pending.removesuffix(b"\r")
        line = (bytes(text), self._truncated)
        self._pending.clear()
        self._truncated = 0
        return line
