"""The newest entries in memory, so that a live stream never reads from disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from nodes.stream.wire.entry import Entry, first_covered


class Ring:
    """One size limit for all journals of a file; the oldest entry is dropped first, from whichever journal."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._order: deque[str] = deque()  # Journal id of each held entry, oldest first.
        self._tails: dict[str, deque[Entry]] = {}

    def extend(self, journal_id: str, entries: Sequence[Entry]) -> None:
        """`entries` directly follow those already held."""
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
        """Entries after `after_seq`, at least one; None when they must be read from disk."""
        tail = self._tails.get(journal_id)
        if not tail or first_covered(tail[0].update) > after_seq + 1:
            return None
        wanted: list[Entry] = []
        # Searches from the newest entry: a live reader wants the last few.
        for entry in reversed(tail):
            if entry.seq <= after_seq:
                break
            wanted.append(entry)
        wanted.reverse()
        return take_prefix(wanted, max_count=max_count, max_bytes=max_bytes) or None


def take_prefix(entries: Sequence[Entry], *, max_count: int, max_bytes: int) -> list[Entry]:
    """As many entries as fit, but at least one: an entry larger than the remaining space must not block the journal."""
    taken: list[Entry] = []
    for entry in entries[:max_count]:
        if taken and entry.size_bytes > max_bytes:
            break
        taken.append(entry)
        max_bytes -= entry.size_bytes
    return taken
