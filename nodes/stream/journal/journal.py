"""The journal's asyncio API: append, read, ack. A writer thread commits many callers' entries in one transaction.

Journal first, send second (docs/protocol.md, "Durable lanes"): when `append` returns, the entries are on disk.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nodes.core.clock import Clock, SystemClock
from nodes.domain.events import JournalMark
from nodes.domain.states import Lane
from nodes.stream.journal.errors import (
    EntryTooLarge,
    JournalCorrupt,
    JournalUnavailable,
    as_journal_error,
    is_disk_full,
)
from nodes.stream.journal.file import JournalFile, JournalRecord, open_journal_file
from nodes.stream.journal.reserve import Reserve
from nodes.stream.journal.ring import Ring
from nodes.stream.wire.entry import Entry
from nodes.stream.wire.limits import MAX_ENTRY_BYTES, MAX_SIGNATURE_BYTES
from nodes.stream.wire.v1 import node_sync_pb2 as pb

logger = logging.getLogger(__name__)

# Room for the number and the journal id, which are added after an entry's size has been checked.
_NUMBERING_BYTES = 64
# Limit for entries that wait for a commit. Above it, `append` waits: the disk is slower than the producers.
_MAX_WAITING_BYTES = 4 * 1024 * 1024
_MAX_COMMIT_BYTES = 1024 * 1024
_TRIM_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLimits:
    keep_seconds: float = 24 * 3600.0  # How long acked entries are kept, for a Leader with a new or restored store.
    max_bytes: int = 512 * 1024 * 1024
    ring_bytes: int = 512 * 1024
    # Disk space released when the disk is full. For states only: logs wait in the tasks' output files.
    reserve_bytes: int = 4 * 1024 * 1024


@dataclass(slots=True, kw_only=True)
class _Write:
    updates: Sequence[pb.NodeUpdate]
    size_bytes: int
    done: asyncio.Future[int]
    cursor: tuple[str, int] | None = None
    foreign: tuple[str, str] | None = None  # journal id, node id
    # Filled by the writer thread.
    outcome: tuple[JournalRecord, list[Entry]] | None = field(default=None)


@dataclass(slots=True, kw_only=True)
class _Call:
    """Any other operation that the writer thread runs on the file."""

    work: Callable[[JournalFile], Any]
    done: asyncio.Future[Any]


class Journal:
    """One lane of one node and, on a Master, the same lane of its Edges.

    The constructor opens and checks the file, so call it before the loop serves requests. Use all methods on one
    loop.
    """

    def __init__(
        self, path: Path, *, node_id: str, lane: Lane, limits: JournalLimits | None = None, clock: Clock | None = None
    ) -> None:
        self.lane = lane
        self.node_id = node_id
        self._limits = limits or JournalLimits()
        self._clock = clock or SystemClock()
        self._file = open_journal_file(path, node_id=node_id, lane=lane)
        size_bytes = self._limits.reserve_bytes if lane is Lane.STATES else 0
        self._reserve = Reserve(path.with_name(f"{path.name}.reserve"), size_bytes=size_bytes)
        # The loop's copies of what the writer thread owns.
        self._records = dict(self._file.records)
        self._own = self._file.own
        self._cursors = self._file.cursors()
        self.opened_at_seq = self._file.opened_at_seq  # Own entries up to here existed before this process.
        self._ring = Ring(max_bytes=self._limits.ring_bytes)
        self._listeners: list[Callable[[JournalMark], None]] = []
        self._on_renewal: list[Callable[[], None]] = []
        self._on_corruption: list[Callable[[JournalCorrupt], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting_bytes = 0
        self._room = asyncio.Event()
        self._room.set()
        # Shared with the writer thread, under the lock of `_wake`.
        self._wake = threading.Condition()
        self._jobs: deque[_Write | _Call] = deque()
        self._acked: dict[str, int] = {}
        self._closing = False
        # A daemon thread: a process that ends without `aclose` loses nothing that was confirmed.
        self._thread = threading.Thread(target=self._work, name=f"journal-{lane}", daemon=True)
        self._thread.start()

    # -- properties

    @property
    def journal_id(self) -> str:
        return self._own.journal_id

    @property
    def last_seq(self) -> int:
        """Number of the last own entry on disk."""
        return self._own.last_seq

    def cursor(self, name: str) -> int:
        """The position last committed under this name; 0 = none."""
        return self._cursors.get(name, 0)

    def marks(self) -> tuple[JournalMark, ...]:
        """Every journal held here, with its oldest and last entry; the own one first."""
        records = sorted(self._records.values(), key=lambda record: not record.is_own)
        return tuple(self._mark(record) for record in records)

    def mark(self, journal_id: str) -> int:
        """Number of the last entry held of this journal; 0 = unknown journal."""
        record = self._records.get(journal_id)
        return record.last_seq if record is not None else 0

    def on_growth(self, listener: Callable[[JournalMark], None]) -> None:
        """Calls `listener` on the loop after each commit, once per journal that grew."""
        self._listeners.append(listener)

    def on_renewal(self, listener: Callable[[], None]) -> None:
        """Calls `listener` on the loop when the journal has been recreated under another id."""
        self._on_renewal.append(listener)

    def on_corruption(self, listener: Callable[[JournalCorrupt], None]) -> None:
        """Calls `listener` on the loop when the file is found corrupt; after that, nothing in it can be trusted."""
        self._on_corruption.append(listener)

    # -- actions

    async def append(self, updates: Sequence[pb.NodeUpdate], *, cursor: tuple[str, int] | None = None) -> int:
        """Numbers the updates and stores them in order, all or none; returns the last number after the commit.

        The journal owns the updates from then on. `cursor` (name, position) is stored in the same transaction;
        position 0 deletes it. Raises `EntryTooLarge`, or `JournalUnavailable` when the disk fails. Cancelling
        does not undo the call: the commit may still happen.
        """
        size = 0
        for update in updates:
            update.node_id = update.node_id or self.node_id
            size += _checked_size(update, spare_bytes=_NUMBERING_BYTES)
        return await self._write(updates, size, cursor=cursor)

    async def store(self, journal_id: str, node_id: str, updates: Sequence[pb.NodeUpdate]) -> int:
        """Stores entries of another node's journal under their own numbers; returns the last number then held.

        Ignores repeated entries; does not store entries after a hole.
        """
        if journal_id == self.journal_id:
            raise ValueError("own entries are appended, not stored")
        # Numbered already, and possibly signed.
        size = sum(_checked_size(update, spare_bytes=-MAX_SIGNATURE_BYTES) for update in updates)
        return await self._write(updates, size, foreign=(journal_id, node_id))

    async def read(self, journal_id: str, after: int, max_count: int, max_bytes: int) -> list[Entry]:
        """Entries after `after`, at least one if there are any; a Gap replaces those that were trimmed."""
        record = self._records.get(journal_id)
        if record is None or record.last_seq <= after:
            return []
        entries = self._ring.after(journal_id, after, max_count=max_count, max_bytes=max_bytes)
        if entries is not None:
            return entries
        found: list[Entry] = await self._call(
            lambda file: file.read(journal_id, after, max_count=max_count, max_bytes=max_bytes)
        )
        return found

    def acked(self, journal_id: str, seq: int) -> None:
        """Records that the parent has everything up to here. May go back if the parent's store was replaced."""
        with self._wake:
            self._acked[journal_id] = seq  # No wake-up: only trimming needs it.

    async def trim(self) -> None:
        """Drops entries that need not be kept. The writer thread also does this every few minutes."""
        while await self._call(self._trim_step):
            pass

    async def renew(self) -> None:
        """Continues under a new journal id, because the parent has entries that this file has lost."""
        await self._call(JournalFile.renew)
        self._ring.clear()
        self.opened_at_seq = 0
        for listener in self._on_renewal:
            listener()

    async def aclose(self) -> None:
        """Commits pending entries and closes the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        # The thread ends after its last commit; it never waits for the loop.
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    # -- on the loop

    async def _write(
        self,
        updates: Sequence[pb.NodeUpdate],
        size_bytes: int,
        *,
        cursor: tuple[str, int] | None = None,
        foreign: tuple[str, str] | None = None,
    ) -> int:
        while self._waiting_bytes >= _MAX_WAITING_BYTES:
            self._room.clear()
            await self._room.wait()
        loop = asyncio.get_running_loop()
        write = _Write(
            updates=updates, size_bytes=size_bytes, cursor=cursor, foreign=foreign, done=loop.create_future()
        )
        self._waiting_bytes += size_bytes
        self._submit(write)
        return await write.done

    async def _call(self, work: Callable[[JournalFile], Any]) -> Any:
        call = _Call(work=work, done=asyncio.get_running_loop().create_future())
        self._submit(call)
        return await call.done

    def _submit(self, job: _Write | _Call) -> None:
        with self._wake:
            if self._closing:
                raise JournalUnavailable("the journal is closed")
            self._loop = asyncio.get_running_loop()
            self._jobs.append(job)
            self._wake.notify()

    def _on_committed(
        self, writes: Sequence[_Write], records: dict[str, JournalRecord], error: Exception | None
    ) -> None:
        """Runs once per commit on the loop, regardless of the number of callers."""
        grown: set[str] = set()
        for write in writes:
            self._waiting_bytes -= write.size_bytes
            if write.outcome is not None:
                record, entries = write.outcome
                if entries:
                    self._ring.extend(record.journal_id, entries)
                    grown.add(record.journal_id)
                if write.cursor is not None:
                    self._cursors[write.cursor[0]] = write.cursor[1]
        self._take_records(records)
        self._room.set()
        for write in writes:
            if write.done.done():
                continue  # The caller was cancelled meanwhile.
            if write.outcome is not None:
                write.done.set_result(write.outcome[0].last_seq)
            else:
                write.done.set_exception(error or AssertionError("a commit has an outcome or an error"))
        for journal_id in grown:
            for listener in self._listeners:
                listener(self._mark(self._records[journal_id]))

    def _on_called(self, call: _Call, result: Any, records: dict[str, JournalRecord], error: Exception | None) -> None:
        self._take_records(records)
        if call.done.done():
            return
        if error is not None:
            call.done.set_exception(error)
        else:
            call.done.set_result(result)

    def _found_corrupt(self, error: JournalCorrupt) -> None:
        for listener in self._on_corruption:
            listener(error)

    def _take_records(self, records: dict[str, JournalRecord]) -> None:
        self._records = records
        self._own = next(record for record in records.values() if record.is_own)

    def _mark(self, record: JournalRecord) -> JournalMark:
        return JournalMark(
            journal_id=record.journal_id,
            seq=record.last_seq,
            node_id=record.node_id,
            lane=self.lane,
            first_seq=record.first_seq,
        )

    # -- in the writer thread

    def _work(self) -> None:
        trim_at = 0.0
        while True:
            with self._wake:
                if not self._jobs and not self._closing:
                    self._wake.wait(max(trim_at - self._clock.mono(), 0.0))
                jobs, acked = self._take_jobs()
                if not jobs and self._closing:
                    break
            self._file.acked(acked)
            writes = [job for job in jobs if isinstance(job, _Write)]
            if writes:
                self._commit(writes)
            for job in jobs:
                if isinstance(job, _Call):
                    self._run_call(job)
            if self._clock.mono() >= trim_at or self._file.size_bytes > self._limits.max_bytes:
                # One trim step, then waiting jobs, then the next step.
                trim_at = 0.0 if self._try_trim() else self._clock.mono() + _TRIM_SECONDS
        self._file.close()

    def _take_jobs(self) -> tuple[list[_Write | _Call], dict[str, int]]:
        """The jobs of one transaction. Reads wait for earlier writes, so they see them."""
        jobs: list[_Write | _Call] = []
        size = 0
        while self._jobs and size < _MAX_COMMIT_BYTES:
            job = self._jobs.popleft()
            jobs.append(job)
            size += job.size_bytes if isinstance(job, _Write) else 0
        acked, self._acked = self._acked, {}
        return jobs, acked

    def _commit(self, writes: Sequence[_Write]) -> None:
        error = self._try_commit(writes)
        while is_disk_full(error) and self._reserve.release():
            error = self._try_commit(writes)
        self._call_on_loop(self._on_committed, writes, dict(self._file.records), error)

    def _try_commit(self, writes: Sequence[_Write]) -> Exception | None:
        """None on success, or the error if nothing was stored."""
        appends = [write for write in writes if write.foreign is None]
        stores = [(write, write.foreign) for write in writes if write.foreign is not None]
        try:
            outcomes = self._file.commit(
                [write.updates for write in appends],
                [(*foreign, write.updates) for write, foreign in stores],
                dict(write.cursor for write in writes if write.cursor is not None),
                self._clock.now_ms(),
            )
            for write, outcome in zip([*appends, *(write for write, _ in stores)], outcomes, strict=True):
                write.outcome = outcome
        except Exception as exc:  # noqa: BLE001 - the thread's outermost loop: the callers get the error and decide
            return self._journal_error(exc)
        return None

    def _run_call(self, call: _Call) -> None:
        result, error = None, None
        try:
            result = call.work(self._file)
        except Exception as exc:  # noqa: BLE001 - as above
            error = self._journal_error(exc)
        self._call_on_loop(self._on_called, call, result, dict(self._file.records), error)

    def _trim_step(self, file: JournalFile) -> bool:
        return file.trim_step(
            now_ms=self._clock.now_ms(),
            keep_ms=int(self._limits.keep_seconds * 1000),
            max_bytes=self._limits.max_bytes,
        )

    def _try_trim(self) -> bool:
        try:
            has_more = self._trim_step(self._file)
        except sqlite3.Error as exc:
            logger.warning("journal not trimmed, will retry later: %s", self._journal_error(exc))
            return False
        if not has_more:
            self._reserve.restore()
        self._call_on_loop(self._take_records, dict(self._file.records))
        return has_more

    def _journal_error(self, exc: Exception) -> Exception:
        error = as_journal_error(exc)
        if isinstance(error, JournalCorrupt):
            self._file.mark_corrupt()
            self._call_on_loop(self._found_corrupt, error)
        return error

    def _call_on_loop(self, callback: Callable[..., None], *arguments: Any) -> None:
        if self._loop is None:
            return  # No call has been made yet.
        try:
            self._loop.call_soon_threadsafe(callback, *arguments)
        except RuntimeError:
            # The loop is closed, so no caller waits for the result. The entries are on disk.
            logger.debug("journal committed after its loop was closed")


def _checked_size(update: pb.NodeUpdate, *, spare_bytes: int) -> int:
    size = update.ByteSize()
    if size + spare_bytes > MAX_ENTRY_BYTES:
        raise EntryTooLarge(size, MAX_ENTRY_BYTES - spare_bytes)
    return size
