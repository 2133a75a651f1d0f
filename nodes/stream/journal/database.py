"""The SQLite database of a journal: opening, checks, tables and transactions. Synchronous.

`synchronous=FULL`: committed entries survive a power cut.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import uuid
from pathlib import Path

from nodes.core import sqlite_space
from nodes.domain.states import Lane
from nodes.errors import AgentFlowError, ConfigError
from nodes.stream.journal.errors import JournalCorrupt

logger = logging.getLogger(__name__)

_SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE shelves (
    id INTEGER PRIMARY KEY, journal_id TEXT NOT NULL UNIQUE, node_id TEXT NOT NULL, is_own INTEGER NOT NULL,
    last_seq INTEGER NOT NULL, acked_seq INTEGER NOT NULL, size_bytes INTEGER NOT NULL);
CREATE TABLE entries (key INTEGER PRIMARY KEY, appended_ms INTEGER NOT NULL, body BLOB NOT NULL, crc INTEGER);
CREATE TABLE cursors (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (lane TEXT NOT NULL);
"""
_ADD_RECORD = "INSERT INTO shelves VALUES (NULL, ?, ?, ?, 0, 0, 0)"
# Marks a file found corrupt while open: the next open quarantines it, even if SQLite's own check finds nothing.
_CORRUPT_SUFFIX = ".condemned"
SIDE_FILES = ("-wal", "-shm", _CORRUPT_SUFFIX)


def connect(path: Path) -> sqlite3.Connection:
    """Raises `ConfigError` when the file cannot be used, `JournalCorrupt` when it is not a database."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Created here first, so that only the owner can read it and SQLite's side files: output may contain secrets.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        # Opened by the thread that creates the journal; after that, only the writer thread uses it.
        db = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
    except (OSError, sqlite3.OperationalError) as exc:
        raise ConfigError(f"the journal {path} cannot be opened: {exc}") from exc
    try:
        sqlite_space.prepare_new(db)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA journal_size_limit = 16777216")
    except sqlite3.DatabaseError as exc:
        db.close()
        raise opening_error(path, exc) from exc
    return db


def prepare(db: sqlite3.Connection, path: Path, *, node_id: str, lane: Lane) -> None:
    """Checks the file and migrates it to the current schema; a new file gets the node's own journal.

    Raises `JournalCorrupt`, or `ConfigError` for a file of a later version or of another lane.
    """
    if _corrupt_mark(path).exists():
        raise JournalCorrupt(f"{path}: was found corrupt while in use")
    # This finds a damaged structure; a damaged body is found by its checksum when it is read.
    check = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if check != "ok":
        raise JournalCorrupt(f"{path}: {check}")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version > _SCHEMA_VERSION:
        raise ConfigError(f"{path} was written by a later version of AgentFlow")
    if version == 0:
        with Transaction(db):
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute("INSERT INTO meta VALUES (?)", (str(lane),))
            add_record(db, uuid.uuid4().hex, node_id, is_own=True)
            db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    elif version == 1:
        with Transaction(db):
            db.execute("ALTER TABLE entries ADD COLUMN crc INTEGER")
            db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    sqlite_space.rewrite_older(db, path)
    held = db.execute("SELECT lane FROM meta").fetchone()[0]
    if held != lane:
        raise ConfigError(f"{path} is a journal of {held}, not of {lane}")


def add_record(db: sqlite3.Connection, journal_id: str, node_id: str, *, is_own: bool) -> int:
    """Adds an empty journal; returns its row id."""
    row_id = db.execute(_ADD_RECORD, (journal_id, node_id, is_own)).lastrowid
    if row_id is None:
        raise AssertionError("an insert has a row id")
    return row_id


def mark_corrupt(path: Path) -> None:
    """Marks the file as corrupt, so that the next open quarantines it."""
    try:
        _corrupt_mark(path).touch(mode=0o600)
    except OSError as exc:
        logger.error("cannot mark the corrupt journal %s: %s", path, exc)  # noqa: TRY400 - not a bug in our code


def opening_error(path: Path, exc: sqlite3.DatabaseError) -> AgentFlowError:
    """A full disk or a lock does not mean that the file is bad: only what SQLite calls malformed is quarantined."""
    if isinstance(exc, sqlite3.OperationalError):
        return ConfigError(f"the journal {path} cannot be used: {exc}")
    return JournalCorrupt(f"{path}: {exc}")


class Transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            try:
                self._db.execute("COMMIT")
            except sqlite3.Error:
                # A full disk may first show up here, and SQLite may already have rolled back.
                self._roll_back()
                raise
        else:
            self._roll_back()

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


def _corrupt_mark(path: Path) -> Path:
    return path.with_name(path.name + _CORRUPT_SUFFIX)
