"""The node's command log: stores the intent before acting and the result after it, and keeps both for seven days.

So a command that arrives several times, or again after a restart, takes effect once and is answered each time.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from nodes.core import sqlite_space
from nodes.core.quarantine import quarantine
from nodes.domain.commands import Command, StartTask
from nodes.domain.events import CommandResult
from nodes.domain.states import CommandState
from nodes.errors import StoreError

logger = logging.getLogger(__name__)

# A command is resent only during its time to live, in which far fewer than this many can be refused.
_MAX_REFUSED = 10_000
KEPT_MS = 7 * 24 * 3600 * 1000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS command (
    command_id TEXT PRIMARY KEY,
    at_ms      INTEGER NOT NULL,
    action     TEXT NOT NULL,      -- "start", or the control's action
    task_id    TEXT NOT NULL,
    attempt    INTEGER NOT NULL,   -- 0 for a control: the task's latest
    state      TEXT NOT NULL DEFAULT '',  -- '' while only the intent is stored
    code       TEXT NOT NULL DEFAULT '',
    message    TEXT NOT NULL DEFAULT '',
    told_in    TEXT NOT NULL DEFAULT ''   -- id of the journal that holds the result
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS command_at ON command (at_ms);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One command as stored; `result` is None while only the intent is stored."""

    command_id: str
    action: str
    task_id: str
    attempt: int
    result: CommandResult | None


class CommandLog:
    """Synchronous; used by one thread at a time. Raises StoreError when the disk fails; recreates a corrupt file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._refused: dict[str, None] = {}  # Oldest first.
        try:
            self._database = _open(path)
        except sqlite3.OperationalError as error:
            raise StoreError(f"cannot open the command log {path}: {error}") from error
        except sqlite3.DatabaseError as error:
            self._database = self._recreate(error)

    def begin(self, command: Command, *, at_ms: int) -> Entry | None:
        """Stores the intent and returns None; for a command that is already stored, returns its entry.

        Raises StoreError when it cannot be stored, and from then on for this id: its sender gets the result that it
        was not carried out, so it must not be carried out when it arrives again.
        """
        if command.command_id in self._refused:
            raise StoreError("it was refused earlier because it could not be stored")
        try:
            return self._begin(command, at_ms)
        except StoreError:
            self._refused[command.command_id] = None
            if len(self._refused) > _MAX_REFUSED:
                del self._refused[next(iter(self._refused))]
            raise

    def _begin(self, command: Command, at_ms: int) -> Entry | None:
        body = command.body
        action, attempt = ("start", body.attempt) if isinstance(body, StartTask) else (body.action.value, 0)
        inserted = self._execute(
            "INSERT OR IGNORE INTO command (command_id, at_ms, action, task_id, attempt) VALUES (?, ?, ?, ?, ?)",
            (command.command_id, at_ms, action, body.task_id, attempt),
        )
        if inserted.rowcount == 1:
            return None
        rows = self._execute(f"{_SELECT} WHERE command_id = ?", (command.command_id,)).fetchall()
        return _entry(rows[0]) if rows else self._begin(command, at_ms)  # No row: the log was recreated in between.

    def finish(self, result: CommandResult) -> None:
        """Stores the result, which also answers every later repeat."""
        self._execute(
            "UPDATE command SET state = ?, code = ?, message = ? WHERE command_id = ?",
            (result.state.value, result.code, result.message, result.command_id),
        )

    def reported(self, command_id: str, *, journal_id: str) -> None:
        """Notes that the result is in this journal: while that is the current one, it need not be reported again."""
        self._execute("UPDATE command SET told_in = ? WHERE command_id = ?", (journal_id, command_id))

    def unreported(self, *, journal_id: str) -> list[Entry]:
        """Intents that may or may not have been acted on, and results that are not in this journal."""
        rows = self._execute(f"{_SELECT} WHERE told_in != ? ORDER BY at_ms", (journal_id,)).fetchall()
        return [_entry(row) for row in rows]

    def trim(self, *, now_ms: int) -> None:
        """Removes commands older than `KEPT_MS`. Raises StoreError."""
        self._execute("DELETE FROM command WHERE at_ms < ?", (now_ms - KEPT_MS,))
        try:
            sqlite_space.shrink_step(self._database)
        except sqlite3.Error as error:
            raise StoreError(f"cannot use the command log: {error}") from error

    def close(self) -> None:
        self._database.close()

    def _execute(self, statement: str, values: tuple[object, ...]) -> sqlite3.Cursor:
        try:
            return self._database.execute(statement, values)
        except sqlite3.OperationalError as error:
            raise StoreError(f"cannot use the command log: {error}") from error
        except sqlite3.DatabaseError as error:
            self._database.close()
            self._database = self._recreate(error)
            return self._database.execute(statement, values)

    def _recreate(self, error: sqlite3.DatabaseError) -> sqlite3.Connection:
        """Quarantines a malformed file. The tasks' folders and supervisors still prevent a second effect."""
        aside = quarantine(self._path, side_files=("-wal", "-shm"))
        logger.error("the command log is corrupt, quarantined as %s: %s", aside, error)
        try:
            return _open(self._path)
        except sqlite3.Error as again:
            raise StoreError(f"cannot open the command log {self._path}: {again}") from again


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        sqlite_space.prepare_new(database)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        check = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if check != "ok":
            raise sqlite3.DatabaseError(check)
        database.executescript(_SCHEMA)
        sqlite_space.rewrite_older(database, path)
        if "told_in" not in (row[1] for row in database.execute("PRAGMA table_info(command)")):
            database.execute("ALTER TABLE command ADD COLUMN told_in TEXT NOT NULL DEFAULT ''")
    except BaseException:
        database.close()
        raise
    return database


_SELECT = "SELECT command_id, action, task_id, attempt, state, code, message FROM command"


def _entry(row: tuple[str, str, str, int, str, str, str]) -> Entry:
    command_id, action, task_id, attempt, state, code, message = row
    result = (
        CommandResult(command_id=command_id, state=CommandState(state), code=code, message=message) if state else None
    )
    return Entry(command_id=command_id, action=action, task_id=task_id, attempt=attempt, result=result)
