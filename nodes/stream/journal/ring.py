"""The newest entries in memory, so that a live stream never reads the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from nodes.stream.wire.entry import Entry, first_covered


class Ring:
    """Bounded over all journals of one file; the oldest entry leaves first, whichever journal it is of."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._order: deque[str] = deque()  # Journal id of each entry held, oldest first.
        self._tails: dict[str, deque[Entry]] = {}

    def extend(self, journal_id: str, entries: Sequence[Entry]) -> None:
        """`entries` follow those held without a hole."""
        tail = self._tails.setdefault(journal_id, deque())
        tail.extend(entries)
        self._order.extend([journal_id] * len(entries))
        self._size_bytes += sum(entry.size_bytes for entry in entries)
        while self._size_bytes > self._max_bytes and self._order:
            oldest = self._order.popleft()
            self._size_bytes -= self._tails[oldest].popleft().size_bytes
            if not self._tails[oldest]:
                del self._tails[oldest]

    def clear(self) -> None:
        self._order.clear()
        self._tails.clear()
        self._size_bytes = 0

    def after(self, journal_id: str, after_seq: int, *, max_count: int, max_bytes: int) -> list[Entry] | None:
        """Entries behind `after_seq`, at least one; None when the disk must be asked."""
        tail = self._tails.get(journal_id)
        if not tail or first_covered(tail[0].update) > after_seq + 1:
            return None
        wanted: list[Entry] = []
        # From the new end: a live reader wants the last few.
        for entry in reversed(tail):
            if entry.seq <= after_seq:
                break
            wanted.append(entry)
        wanted.reverse()
        return take_prefix(wanted, max_count=max_count, max_bytes=max_bytes) or None


def take_prefix(entries: Sequence[Entry], *, max_count: int, max_bytes: int) -> list[Entry]:
    """As many as fit, but one at least: an entry larger than what is left must not stop the journal."""
    taken: list[Entry] = []
    for entry in entries[:max_count]:
        if taken and entry.size_bytes > max_bytes:
            break
        taken.append(entry)
        max_bytes -= entry.size_bytes
    return taken
