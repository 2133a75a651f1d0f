"""The journal's SQLite file: numbering, cursors, trimming. Synchronous; used by one thread at a time.

Once `commit` returns, its entries survive a power cut. Numbers are assigned inside the transaction, so a failed
commit leaves no hole.
"""

from __future__ import annotations

import logging
import sqlite3
import time
import uuid
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from google.protobuf.message import DecodeError

from nodes.core import sqlite_space
from nodes.core.quarantine import quarantine
from nodes.domain.states import Lane
from nodes.errors import ConfigError
from nodes.stream.journal.database import (
    SIDE_FILES,
    Transaction,
    add_record,
    connect,
    mark_corrupt,
    opening_error,
    prepare,
)
from nodes.stream.journal.errors import JournalCorrupt
from nodes.stream.journal.ring import take_prefix
from nodes.stream.wire.entry import Entry, first_covered, trimmed_gap
from nodes.stream.wire.v1 import node_sync_pb2 as pb

logger = logging.getLogger(__name__)

# An entry's key is record << 44 | seq: one b-tree for all journals, in which a journal is a contiguous range of keys.
_SEQ_BITS = 44
# Two queries: SQLite uses the end of the b-tree only when min or max is the only result.
_OLDEST = "SELECT min(key) FROM entries WHERE key > ? AND key < ?"
_NEWEST = "SELECT max(key) FROM entries WHERE key > ? AND key < ?"
_INSERT = "INSERT INTO entries VALUES (?, ?, ?, ?)"
_TRIM_ROWS = 500
# Reason of the Gap with which a new journal begins when it replaces a damaged one.
DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRecord:
    """One journal within the file: the node's own, or that of an Edge, which its Master keeps."""

    id: int
    journal_id: str
    node_id: str
    is_own: bool
    first_seq: int  # Oldest number that is still held or covered by a Gap; 0 = none.
    last_seq: int
    acked_seq: int
    size_bytes: int

    def key(self, seq: int) -> int:
        return self.id << _SEQ_BITS | seq


class JournalFile:
    """Opening checks the file: raises `JournalCorrupt` if it is malformed, `ConfigError` if it cannot be used."""

    def __init__(self, path: Path, *, node_id: str, lane: Lane) -> None:
        self.path = path
        self._db = connect(path)
        try:
            prepare(self._db, path, node_id=node_id, lane=lane)
            self.records = self._load_records()
        except sqlite3.DatabaseError as exc:
            self._db.close()
            raise opening_error(path, exc) from exc
        except BaseException:
            self._db.close()
            raise
        self.own = next(record for record in self.records.values() if record.is_own)
        if self.own.node_id != node_id:
            self._db.close()
            raise ConfigError(f"{path} is the journal of node {self.own.node_id!r}, not of {node_id!r}")
        # A copy of this file holds at most the entries that were here when it was opened.
        self.opened_at_seq = self.own.last_seq

    def close(self) -> None:
        self._db.close()

    @property
    def size_bytes(self) -> int:
        return sum(record.size_bytes for record in self.records.values())

    def cursors(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT name, position FROM cursors"))

    def commit(
        self,
        appends: Iterable[Sequence[pb.NodeUpdate]],
        stores: Iterable[tuple[str, str, Sequence[pb.NodeUpdate]]],
        cursors: dict[str, int],
        now_ms: int,
    ) -> list[tuple[JournalRecord, list[Entry]]]:
        """Commits everything in one transaction; returns each write's resulting record and its new entries."""
        results: list[tuple[JournalRecord, list[Entry]]] = []
        changed: dict[str, JournalRecord] = {}
        with Transaction(self._db):
            for updates in appends:
                record = changed.get(self.own.journal_id, self.own)
                entries = [_numbered(update, record, record.last_seq + n) for n, update in enumerate(updates, 1)]
                results.append(self._insert(record, entries, changed, now_ms))
            for journal_id, node_id, updates in stores:
                record = (
                    changed.get(journal_id) or self.records.get(journal_id) or self._add_record(journal_id, node_id)
                )
                results.append(self._insert(record, _following(record.last_seq, updates), changed, now_ms))
            for record in changed.values():
                self._save(record)
            self._db.executemany(
                "INSERT INTO cursors VALUES (?, ?) ON CONFLICT DO UPDATE SET position = excluded.position",
                [item for item in cursors.items() if item[1]],
            )
            self._db.executemany(
                "DELETE FROM cursors WHERE name = ?", [(name,) for name, at in cursors.items() if not at]
            )
        self._keep(changed.values())
        return results

    def acked(self, marks: dict[str, int]) -> None:
        """Stored with the next write, because only trimming uses it: an ack lost in a crash only costs space."""
        self._keep(
            replace(self.records[journal_id], acked_seq=seq)
            for journal_id, seq in marks.items()
            if journal_id in self.records
        )

    def read(self, journal_id: str, after_seq: int, *, max_count: int, max_bytes: int) -> list[Entry]:
        """Entries after `after_seq`, at least one if there are any; starts with a Gap when older ones were trimmed."""
        record = self.records[journal_id]
        found: list[Entry] = []
        rows = self._db.execute(
            "SELECT key, body, crc FROM entries WHERE key > ? AND key <= ? ORDER BY key LIMIT ?",
            (record.key(after_seq), record.key(record.last_seq), max_count),
        )
        size = 0
        for key, body, crc in rows:
            found.append(Entry(key - record.key(0), len(body), self._decoded(body, crc)))
            size += len(body)
            if size > max_bytes:
                break
        next_seq = first_covered(found[0].update) if found else record.last_seq + 1
        if next_seq > after_seq + 1:
            gap = trimmed_gap(
                node_id=record.node_id, journal_id=journal_id, from_seq=after_seq + 1, to_seq=next_seq - 1
            )
            found.insert(0, gap)
        return take_prefix(found, max_count=max_count, max_bytes=max_bytes)

    def trim_step(self, *, now_ms: int, keep_ms: int, max_bytes: int) -> bool:
        """Drops a few entries, or frees some of their space, in one small transaction, so that an append never waits
        long; False when done.

        Drops acknowledged entries older than `keep_ms`. While the file is over `max_bytes`, also drops newer
        ones, and finally unacknowledged ones: that is a loss, which is reported to the parent as a Gap.
        """
        for record in self.records.values():
            if self._drop_oldest(record, up_to=record.acked_seq, before_ms=now_ms - keep_ms):
                return True
        if self.size_bytes <= max_bytes:
            return sqlite_space.shrink_step(self._db) > 0
        acked = [record for record in self.records.values() if 0 < record.first_seq <= record.acked_seq]
        if acked:
            record = max(acked, key=lambda record: record.size_bytes)
            return self._drop_oldest(record, up_to=record.acked_seq, before_ms=None) > 0
        record = max(self.records.values(), key=lambda record: record.size_bytes)
        lost = self._drop_oldest(record, up_to=record.last_seq, before_ms=None)
        logger.warning(
            "journal %s is over its size limit: dropped %d unacknowledged entries of %s",
            self.path,
            lost,
            record.journal_id,
        )
        return lost > 0

    def renew(self) -> None:
        """Continues under a new journal id; entries added since opening are renumbered, older ones are dropped.

        For a file that was restored from a copy: the parent already has the older entries, and would ignore the
        newer ones as duplicates because of their numbers.
        """
        old = self.own
        with Transaction(self._db):
            rows = self._db.execute(
                "SELECT appended_ms, body, crc FROM entries WHERE key > ? AND key <= ? ORDER BY key",
                (old.key(self.opened_at_seq), old.key(old.last_seq)),
            ).fetchall()
            self._db.execute("DELETE FROM entries WHERE key > ? AND key <= ?", (old.key(0), old.key(old.last_seq)))
            self._db.execute("DELETE FROM shelves WHERE id = ?", (old.id,))
            new = self._add_record(uuid.uuid4().hex, old.node_id, is_own=True)
            size = 0
            for seq, (appended_ms, body, crc) in enumerate(rows, 1):
                update = self._decoded(body, crc)
                update.journal_id, update.seq = new.journal_id, seq
                renumbered = update.SerializeToString()
                size += len(renumbered)
                self._db.execute(_INSERT, (new.key(seq), appended_ms, renumbered, zlib.crc32(renumbered)))
            new = replace(new, first_seq=1 if rows else 0, last_seq=len(rows), size_bytes=size)
            self._save(new)
        del self.records[old.journal_id]
        self.opened_at_seq = 0
        self._keep([new])

    def mark_corrupt(self) -> None:
        """Marks the file as corrupt, so that the next open quarantines it."""
        mark_corrupt(self.path)

    # -- internals

    def _decoded(self, body: bytes, crc: int | None) -> pb.NodeUpdate:
        """`crc` is None for entries written before checksums existed."""
        if crc is not None and zlib.crc32(body) != crc:
            raise JournalCorrupt(f"{self.path}: the checksum of an entry does not match")
        try:
            return pb.NodeUpdate.FromString(body)
        except DecodeError as exc:
            raise JournalCorrupt(f"{self.path}: an entry cannot be read") from exc

    def _load_records(self) -> dict[str, JournalRecord]:
        records = {}
        for row in self._db.execute(
            "SELECT id, journal_id, node_id, is_own, last_seq, acked_seq, size_bytes FROM shelves"
        ):
            low, high = row[0] << _SEQ_BITS, (row[0] + 1) << _SEQ_BITS
            oldest, newest = (self._db.execute(query, (low, high)).fetchone()[0] for query in (_OLDEST, _NEWEST))
            if newest and newest - low > row[4]:
                raise JournalCorrupt(f"{self.path}: entry {newest - low} is after the last one, {row[4]}")
            record = JournalRecord(
                id=row[0],
                journal_id=row[1],
                node_id=row[2],
                is_own=bool(row[3]),
                first_seq=oldest - low if oldest else 0,
                last_seq=row[4],
                acked_seq=row[5],
                size_bytes=row[6],
            )
            records[record.journal_id] = record
        return records

    def _add_record(self, journal_id: str, node_id: str, *, is_own: bool = False) -> JournalRecord:
        return JournalRecord(
            id=add_record(self._db, journal_id, node_id, is_own=is_own),
            journal_id=journal_id,
            node_id=node_id,
            is_own=is_own,
            first_seq=0,
            last_seq=0,
            acked_seq=0,
            size_bytes=0,
        )

    def _insert(
        self, record: JournalRecord, entries: list[tuple[Entry, bytes]], changed: dict[str, JournalRecord], now_ms: int
    ) -> tuple[JournalRecord, list[Entry]]:
        self._db.executemany(
            _INSERT, [(record.key(entry.seq), now_ms, body, zlib.crc32(body)) for entry, body in entries]
        )
        if entries:
            record = replace(
                record,
                first_seq=record.first_seq or entries[0][0].seq,
                last_seq=entries[-1][0].seq,
                size_bytes=record.size_bytes + sum(entry.size_bytes for entry, _ in entries),
            )
        changed[record.journal_id] = record
        return record, [entry for entry, _ in entries]

    def _drop_oldest(self, record: JournalRecord, *, up_to: int, before_ms: int | None) -> int:
        """Returns how many entries were dropped."""
        rows = self._db.execute(
            "SELECT key, length(body), appended_ms FROM entries WHERE key > ? AND key <= ? ORDER BY key LIMIT ?",
            (record.key(0), record.key(up_to), _TRIM_ROWS),
        ).fetchall()
        # Stops at the first newer one: after a clock change, the times may not be in the order of the numbers.
        rows = list(takewhile(lambda row: before_ms is None or row[2] < before_ms, rows))
        if not rows:
            return 0
        with Transaction(self._db):
            self._db.execute("DELETE FROM entries WHERE key > ? AND key <= ?", (record.key(0), rows[-1][0]))
            oldest = self._db.execute(
                "SELECT min(key) FROM entries WHERE key > ? AND key <= ?", (rows[-1][0], record.key(record.last_seq))
            ).fetchone()[0]
            record = replace(
                record,
                first_seq=oldest - record.key(0) if oldest else 0,
                size_bytes=record.size_bytes - sum(row[1] for row in rows),
            )
            self._save(record)
        self._keep([record])
        return len(rows)

    def _save(self, record: JournalRecord) -> None:
        self._db.execute(
            "UPDATE shelves SET last_seq = ?, acked_seq = ?, size_bytes = ? WHERE id = ?",
            (record.last_seq, record.acked_seq, record.size_bytes, record.id),
        )

    def _keep(self, records: Iterable[JournalRecord]) -> None:
        for record in records:
            self.records[record.journal_id] = record
            if record.is_own:
                self.own = record


def open_journal_file(path: Path, *, node_id: str, lane: Lane) -> JournalFile:
    """Opens the file; a corrupt one is quarantined with the time in its name, and a new journal is created."""
    try:
        return JournalFile(path, node_id=node_id, lane=lane)
    except JournalCorrupt as exc:
        aside = quarantine(path, side_files=SIDE_FILES)
        logger.error("journal is corrupt, quarantined as %s; creating a new one: %s", aside, exc)  # noqa: TRY400 - not a bug in our code
        fresh = JournalFile(path, node_id=node_id, lane=lane)
        # Starts with a Gap: the entries of the damaged file are unaccounted for.
        now_ms = time.time_ns() // 1_000_000
        gap = pb.NodeUpdate(node_id=node_id, timestamp=now_ms, gap=pb.Gap(from_seq=1, to_seq=1, reason=DAMAGED))
        fresh.commit([[gap]], [], {}, now_ms)
        return fresh


def _numbered(update: pb.NodeUpdate, record: JournalRecord, seq: int) -> tuple[Entry, bytes]:
    update.journal_id = record.journal_id
    update.seq = seq
    body = update.SerializeToString()
    return Entry(seq, len(body), update), body


def _following(last_seq: int, updates: Sequence[pb.NodeUpdate]) -> list[tuple[Entry, bytes]]:
    """The updates that continue the journal, without repeated ones and without any after a hole."""
    fresh = []
    for update in updates:
        if update.seq <= last_seq:
            continue
        if first_covered(update) > last_seq + 1:
            break
        body = update.SerializeToString()
        fresh.append((Entry(update.seq, len(body), update), body))
        last_seq = update.seq
    return fresh
