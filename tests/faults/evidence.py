"""Reads the agents' journals and the Leader's database from disk, from outside, while everything runs."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nodes.agent.runner.shim.layout import OUTPUT
from nodes.stream.wire.v1 import node_sync_pb2 as pb

# nodes/stream/journal/file.py: an entry's key is record << 44 | seq.
_SEQ_BITS = 44

# Payload of an entry -> kind of its row in the history.
_KINDS = {"task_update": "task", "alert": "alert", "logs": "logs", "command_result": "result", "gap": "gap"}


@dataclass
class JournalFile:
    """One journal on a node's disk: its own, or its copy of an Edge's."""

    journal_id: str
    path: str
    is_own: bool
    last_seq: int
    entries: dict[int, str] = field(default_factory=dict)  # number -> kind


@dataclass
class Event:
    journal_id: str
    seq: int
    kind: str
    task_id: str
    detail: dict[str, Any]


@dataclass
class Attempt:
    task_id: str
    number: int
    state: str
    exit_code: int | None
    node_id: str
    pid: int
    suppressed_lines: int = 0


@dataclass
class Command:
    id: str
    kind: str
    task_id: str
    attempt: int
    node_id: str
    state: str
    expires_at: str  # As SQLite stores it: UTC, sorts as text.


@dataclass
class Line:
    id: int
    task_id: str
    attempt: int
    number: int
    stream: int  # 3 = AgentFlow's own message
    text: str


@dataclass
class Database:
    """The Leader's database, read in one transaction."""

    store_id: str = ""
    feed_seq: int = 0
    marks: dict[str, int] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    attempts: dict[tuple[str, int], Attempt] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    open_alerts: dict[str, str] = field(default_factory=dict)  # id -> message


def read_journals(paths: Iterable[Path]) -> list[JournalFile]:
    found: list[JournalFile] = []
    for path in paths:
        with reading(path) as db:
            records = {
                record: JournalFile(journal_id, str(path), bool(is_own), last_seq)
                for record, journal_id, is_own, last_seq in db.execute(
                    "SELECT id, journal_id, is_own, last_seq FROM shelves"
                )
            }
            for key, body in db.execute("SELECT key, body FROM entries ORDER BY key"):
                payload = pb.NodeUpdate.FromString(body).WhichOneof("payload")
                records[key >> _SEQ_BITS].entries[key & ((1 << _SEQ_BITS) - 1)] = _KINDS[payload or "gap"]
            found += records.values()
    return found


def read_positions(paths: Iterable[Path]) -> dict[str, int]:
    """The last number of every node's own journals. Cheap."""
    found: dict[str, int] = {}
    for path in paths:
        with reading(path) as db:
            found |= dict(db.execute("SELECT journal_id, last_seq FROM shelves WHERE is_own"))
    return found


def read_outputs_left(folders: Iterable[Path]) -> dict[str, int]:
    """For each attempt whose output is not completely journaled: the bytes that wait in its file."""
    found: dict[str, int] = {}
    for folder in folders:
        with reading(folder / "logs.db") as db:
            positions = dict(db.execute("SELECT name, position FROM cursors"))
        for output in folder.glob(f"tasks/*/{OUTPUT}"):
            left = output.stat().st_size - positions.get(output.parent.name, 0)
            if left > 0:
                found[output.parent.name] = left
    return found


def read_database(db: sqlite3.Connection) -> Database:
    """Reads everything in the connection's transaction."""
    found = Database(marks=dict(db.execute("SELECT id, seq FROM nodes_journal")))
    found.store_id, found.feed_seq = db.execute("SELECT store_id, feed_seq FROM nodes_store").fetchone()
    found.events = [
        Event(journal, seq, kind, task, json.loads(detail))
        for journal, seq, kind, task, detail in db.execute(
            "SELECT journal_id, seq, kind, task_id, detail FROM nodes_event ORDER BY id"
        )
    ]
    attempts = db.execute("SELECT task_id, number, state, exit_code, node_id, pid, suppressed_lines FROM nodes_attempt")
    found.attempts = {(row[0], row[1]): Attempt(*row) for row in attempts}
    found.commands = [
        Command(*row)
        for row in db.execute("SELECT id, kind, task_id, attempt, node, state, expires_at FROM nodes_command")
    ]
    found.lines = [
        Line(*row)
        for row in db.execute(
            "SELECT id, task_id, attempt, number, stream, text FROM nodes_logline ORDER BY task_id, attempt, id"
        )
    ]
    found.nodes = {
        row[0]: {"role": row[1], "parent": row[2], "state": row[3], "version": str(row[4])}
        for row in db.execute("SELECT id, role, parent, state, version FROM nodes_node")
    }
    found.tasks = {
        row[0]: {
            "state": row[1],
            "attempt": row[2],
            "exitCode": row[3],
            "node": row[4] or "",
            "message": row[5],
            "health": row[6],
            "suppressedLines": row[7],
            "version": str(row[8]),
        }
        for row in db.execute(
            "SELECT id, state, attempt, exit_code, node_id, message, health, suppressed_lines, version FROM nodes_task"
        )
    }
    alerts = db.execute("SELECT id, message FROM nodes_alert WHERE resolved_at IS NULL")
    found.open_alerts = {str(row[0]): row[1] for row in alerts}
    return found


@contextlib.contextmanager
def reading(path: Path) -> Any:
    """A read-only connection in one transaction."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10, isolation_level=None)) as db:
        db.execute("BEGIN")
        yield db
