"""Commands of this node: the intent is stored before acting, the result after, both are kept for seven days.

So a command that arrives ten times, or again after a restart, has its effect once and is answered each time.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from nodes.domain.commands import Command, StartTask
from nodes.domain.events import CommandResult
from nodes.domain.states import CommandState
from nodes.errors import StoreError

KEPT_MS = 7 * 24 * 3600 * 1000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS command (
    command_id TEXT PRIMARY KEY,
    at_ms      INTEGER NOT NULL,
    action     TEXT NOT NULL,      -- "start", or the control's action
    task_id    TEXT NOT NULL,
    attempt    INTEGER NOT NULL,   -- 0 for a control: the task's latest
    state      TEXT NOT NULL DEFAULT '',  -- '' while only the intent stands
    code       TEXT NOT NULL DEFAULT '',
    message    TEXT NOT NULL DEFAULT '',
    is_told    INTEGER NOT NULL DEFAULT 0  -- the result stands in the journal
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS command_at ON command (at_ms);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One command as stored; `result` is None while only the intent stands."""

    command_id: str
    action: str
    task_id: str
    attempt: int
    result: CommandResult | None


class Ledger:
    """Synchronous; used by one thread at a time. Raises StoreError when the disk refuses."""

    def __init__(self, path: Path) -> None:
        try:
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise StoreError(f"cannot open the command ledger {path}: {error}") from error

    def begin(self, command: Command, *, at_ms: int) -> Entry | None:
        """Stores the intent and returns None; for a command that stands here already, what is known of it."""
        body = command.body
        action, attempt = ("start", body.attempt) if isinstance(body, StartTask) else (body.action.value, 0)
        try:
            inserted = self._database.execute(
                "INSERT OR IGNORE INTO command (command_id, at_ms, action, task_id, attempt) VALUES (?, ?, ?, ?, ?)",
                (command.command_id, at_ms, action, body.task_id, attempt),
            )
            return None if inserted.rowcount == 1 else self._find(command.command_id)
        except sqlite3.Error as error:
            raise StoreError(f"cannot store command {command.command_id}: {error}") from error

    def finish(self, result: CommandResult) -> None:
        """The result stands for every later repeat."""
        try:
            self._database.execute(
                "UPDATE command SET state = ?, code = ?, message = ? WHERE command_id = ?",
                (result.state.value, result.code, result.message, result.command_id),
            )
        except sqlite3.Error as error:
            raise StoreError(f"cannot store the result of {result.command_id}: {error}") from error

    def told(self, command_id: str) -> None:
        """The result stands in the journal, so a new agent need not tell it."""
        try:
            self._database.execute("UPDATE command SET is_told = 1 WHERE command_id = ?", (command_id,))
        except sqlite3.Error as error:
            raise StoreError(f"cannot note that {command_id} was told: {error}") from error

    def untold(self) -> list[Entry]:
        """What an earlier agent left: intents that it may or may not have acted on, and results it did not tell."""
        rows = self._database.execute(f"{_SELECT} WHERE NOT is_told ORDER BY at_ms").fetchall()
        return [_entry(row) for row in rows]

    def trim(self, *, now_ms: int) -> None:
        self._database.execute("DELETE FROM command WHERE at_ms < ?", (now_ms - KEPT_MS,))

    def close(self) -> None:
        self._database.close()

    def _find(self, command_id: str) -> Entry:
        row = self._database.execute(f"{_SELECT} WHERE command_id = ?", (command_id,)).fetchone()
        return _entry(row)


_SELECT = "SELECT command_id, action, task_id, attempt, state, code, message FROM command"


def _entry(row: tuple[str, str, str, int, str, str, str]) -> Entry:
    command_id, action, task_id, attempt, state, code, message = row
    result = (
        CommandResult(command_id=command_id, state=CommandState(state), code=code, message=message) if state else None
    )
    return Entry(command_id=command_id, action=action, task_id=task_id, attempt=attempt, result=result)
