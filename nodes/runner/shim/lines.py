"""Cuts a byte stream into lines of bounded length. Pure: bytes in, lines out."""

from __future__ import annotations

Line = tuple[bytes, int]
"""(text without its line end, bytes cut off at the cap)"""


class LineSplitter:
    """Keeps the first `cap` bytes of each line, drops and counts the rest."""

    __slots__ = ("_cap", "_flushed", "_pending", "_truncated")

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._pending = bytearray()
        self._truncated = 0
        # The last thing handed out was a line without its end: the newline that may follow belongs to it.
        self._flushed = False

    @property
    def has_partial(self) -> bool:
        return bool(self._pending)

    def feed(self, data: bytes) -> list[Line]:
        """The lines that `data` completes."""
        data = self._without_owed_newline(data)
        parts = data.split(b"\n")
        lines: list[Line] = []
        for part in parts[:-1]:
            self._extend(part)
            lines.append(self._take())
        self._extend(parts[-1])
        return lines

    def skip(self, data: bytes) -> int:
        """Like `feed`, but drops the completed lines and only counts them."""
        data = self._without_owed_newline(data)
        count = data.count(b"\n")
        if count:
            self._pending.clear()
            self._truncated = 0
            data = data[data.rindex(b"\n") + 1 :]
        self._extend(data)
        return count

    def flush(self) -> Line | None:
        """The line that has no end yet, as if it had one: a prompt, or the last words of a stream."""
        if not self._pending:
            return None
        line = self._take()
        self._flushed = True
        return line

    def _without_owed_newline(self, data: bytes) -> bytes:
        if self._flushed and data:
            self._flushed = False
            if data.startswith(b"\n"):
                return data[1:]
            if data.startswith(b"\r\n"):
                return data[2:]
        return data

    def _extend(self, part: bytes) -> None:
        room = self._cap - len(self._pending)
        self._pending += part[:room]
        self._truncated += max(0, len(part) - room)

    def _take(self) -> Line:
        line = (bytes(self._pending.removesuffix(b"\r")), self._truncated)
        self._pending.clear()
        self._truncated = 0
        return line
