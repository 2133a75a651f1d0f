"""Errors that a journal raises."""

from __future__ import annotations

import sqlite3

from nodes.errors import StoreError


class EntryTooLarge(StoreError):
    """An entry that the parent cannot accept would block all later ones, so it is refused before it gets a number."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(size_bytes, limit_bytes)
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return f"an entry of {self.size_bytes} bytes is over the limit of {self.limit_bytes}"


class JournalUnavailable(StoreError):
    """The disk failed (full, read-only, gone) or the journal is closed; nothing of the call was stored."""


class JournalCorrupt(StoreError):
    """The file is not, or is no longer, a valid journal."""


def is_disk_full(error: Exception | None) -> bool:
    cause = error.__cause__ if error is not None else None
    return isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode == sqlite3.SQLITE_FULL


def as_journal_error(exc: Exception) -> Exception:
    """A full disk may have room again later; a malformed file stays malformed."""
    error: Exception = exc
    if isinstance(exc, sqlite3.OperationalError):
        error = JournalUnavailable(f"cannot use the journal: {exc}")
    elif isinstance(exc, sqlite3.DatabaseError):
        error = JournalCorrupt(f"the journal is corrupt: {exc}")
    if error is not exc:
        error.__cause__ = exc
    return error
