"""Gives space of an SQLite file back to the disk after many rows were deleted: SQLite itself only keeps it for later.

A file with `auto_vacuum=INCREMENTAL` shrinks in small steps between other writes. An older file has to be rewritten
once for that (`VACUUM`), which needs room for the copy and blocks every writer meanwhile.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

logger = logging.getLogger(__name__)

_MODE = "PRAGMA auto_vacuum = INCREMENTAL"
# Of one step: about a megabyte, a few milliseconds.
STEP_PAGES = 256
# Free space that stays in the file, because new rows soon need it: at least this much, or a tenth of the file.
KEPT_BYTES = 8 << 20
# A larger file is rewritten only on demand: at a start it would take too long.
REWRITTEN_AT_START_BYTES = 1 << 30
_INCREMENTAL = 2
# The copy, and the write-ahead log through which it replaces the old content.
_COPIES = 2.1


def prepare_new(db: sqlite3.Connection) -> None:
    """For the first connection to a file, before anything else: an empty file needs no rewriting later."""
    if not _number(db, "page_count"):
        db.execute(_MODE)


def shrinks(db: sqlite3.Connection) -> bool:
    return _number(db, "auto_vacuum") == _INCREMENTAL


def shrink_step(db: sqlite3.Connection, *, kept_bytes: int = KEPT_BYTES) -> int:
    """Frees some pages in one short transaction, or in the open one. Returns the bytes; 0 = nothing more to free."""
    if not shrinks(db):
        return 0
    size, before = _number(db, "page_size"), _number(db, "page_count")
    kept = max(kept_bytes // size, before // 10)
    surplus = _number(db, "freelist_count") - kept
    if surplus <= 0:
        return 0
    own = nullcontext() if db.in_transaction else _transaction(db)
    with own:
        for _ in range(min(surplus, STEP_PAGES)):
            # One at a time: the statement has no columns, so Python runs it to its first page only.
            db.execute("PRAGMA incremental_vacuum(1)")
    return (before - _number(db, "page_count")) * size


def rewrite(db: sqlite3.Connection, path: Path, *, limit_bytes: int | None = None) -> int | None:
    """Rewrites the file without its free space, so that it shrinks in steps from then on. Returns the freed bytes.

    None = not now: the file is larger than `limit_bytes`, or the disk has no room for the copy. Raises
    `sqlite3.OperationalError` when another process writes. Atomic: a crash leaves the old content.
    """
    size, before = _number(db, "page_size"), _number(db, "page_count")
    used_bytes = (before - _number(db, "freelist_count")) * size
    if limit_bytes is not None and used_bytes > limit_bytes:
        return None
    if shutil.disk_usage(path.parent).free < used_bytes * _COPIES:
        return None
    db.execute(_MODE)
    db.execute("VACUUM")
    return (before - _number(db, "page_count")) * size


def rewrite_older(db: sqlite3.Connection, path: Path) -> None:
    """At a start, while nothing else uses the file: rewrites it once, or leaves it as it is and says why."""
    if shrinks(db):
        return
    try:
        if rewrite(db, path, limit_bytes=REWRITTEN_AT_START_BYTES) is None:
            logger.warning(
                "%s keeps its size when rows are deleted: it is too large to be rewritten at a start, or the disk has "
                "no room for a copy",
                path,
            )
    except sqlite3.OperationalError as exc:
        logger.warning("%s keeps its size when rows are deleted: it cannot be rewritten now: %s", path, exc)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Rolls back by itself only what the database has not already rolled back, as it may on a full disk."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _number(db: sqlite3.Connection, pragma: str) -> int:
    return int(db.execute(f"PRAGMA {pragma}").fetchone()[0])
