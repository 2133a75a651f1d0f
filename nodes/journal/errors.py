"""What a journal refuses, and why."""

from __future__ import annotations

from nodes.errors import StoreError


class EntryTooLarge(StoreError):
    """An entry that the parent could not take would block all behind it, so it is refused before it has a number."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(size_bytes, limit_bytes)
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return f"an entry of {self.size_bytes} bytes is over the limit of {self.limit_bytes}"


class JournalUnavailable(StoreError):
    """The disk refused (full, read-only, gone) or the journal is closed; nothing of the call was stored."""


class JournalCorrupt(StoreError):
    """The file is not, or no longer, a journal."""
