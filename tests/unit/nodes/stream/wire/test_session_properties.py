"""Delivery under any order of appends, commits, lost streams, crashes, lost and restored stores, trims and copies.

The journal is the real file, the sessions are the real ones; the parent's store is a few lines that apply the rules of
docs/protocol.md, "Durable lanes".
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from nodes.domain.states import Lane
from nodes.stream.journal.file import JournalFile
from nodes.stream.wire.entry import Entry, first_covered
from nodes.stream.wire.limits import Window
from nodes.stream.wire.session import JournalBehind
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from tests.unit.nodes.stream.wire.talk import NODE, Journals, Talk

WINDOW = Window(max_updates=8, max_bytes=4000)
LANES = st.sampled_from([Lane.STATES, Lane.LOGS])


@dataclass
class Store:
    """The parent's store: entries and marks move in one commit, duplicates are ignored, marks never pass a hole."""

    marks: dict[str, int] = field(default_factory=dict)
    words: dict[str, dict[int, str]] = field(default_factory=dict)
    gaps: set[tuple[str, int]] = field(default_factory=set)

    def apply(self, update: pb.NodeUpdate) -> bool:
        journal_id, mark = update.journal_id, self.marks.get(update.journal_id, 0)
        if first_covered(update) > mark + 1:
            return False
        if update.seq > mark:
            self.marks[journal_id] = update.seq
            if update.HasField("gap"):
                self.gaps |= {(journal_id, seq) for seq in range(mark + 1, update.seq + 1)}
            else:
                self.words.setdefault(journal_id, {})[update.seq] = update.task_update.task_id
        return True

    def copy(self) -> Store:
        words = {journal_id: dict(held) for journal_id, held in self.words.items()}
        return Store(dict(self.marks), words, set(self.gaps))


class Files(Journals):
    """The two journals of a node as files, and their expected content."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = {lane: self._open(lane) for lane in Lane}
        self.held: dict[Lane, dict[int, str]] = {lane: {} for lane in Lane}
        self.given: dict[str, int] = {}
        self.copies: dict[Lane, tuple[bytes, dict[int, str]]] = {}
        self._count = 0

    def marks(self) -> list[pb.JournalMark]:
        return [
            pb.JournalMark(journal_id=file.own.journal_id, seq=file.own.last_seq, lane=str(lane), node_id=NODE)
            for lane, file in self.files.items()
        ]

    def read(self, name: str, after: int, max_count: int, max_bytes: int) -> list[Entry]:
        file = next(file for file in self.files.values() if file.own.journal_id == name)
        return file.read(name, after, max_count=max_count, max_bytes=max_bytes)

    def append(self, lane: Lane, size: int) -> None:
        file = self.files[lane]
        self._count += 1
        word = f"w{self._count}"
        file.commit([[pb.NodeUpdate(task_update=pb.TaskStatusUpdate(task_id=word, message="x" * size))]], [], {}, 0)
        self.held[lane][file.own.last_seq] = word

    def reopen(self, lane: Lane) -> None:
        self.files[lane].close()
        self.files[lane] = self._open(lane)
        self.given.pop(self.files[lane].own.journal_id, None)

    def copy(self, lane: Lane) -> None:
        self.files[lane]._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.copies[lane] = (self.files[lane].path.read_bytes(), dict(self.held[lane]))

    def restore(self, lane: Lane) -> None:
        content, held = self.copies[lane]
        file = self.files[lane]
        file.close()
        file.path.write_bytes(content)
        self.held[lane] = dict(held)
        self.files[lane] = self._open(lane)
        self.given.pop(self.files[lane].own.journal_id, None)

    def renew(self, lane: Lane) -> dict[int, str]:
        """Returns the entries that are no longer in the journal."""
        file, held = self.files[lane], self.held[lane]
        before = file.opened_at_seq
        file.renew()
        kept = [word for seq, word in sorted(held.items()) if seq > before]
        self.held[lane] = dict(enumerate(kept, 1))
        return {seq: word for seq, word in held.items() if seq <= before}

    def close(self) -> None:
        for file in self.files.values():
            file.close()

    def _open(self, lane: Lane) -> JournalFile:
        file = JournalFile(self.folder / f"{lane}.db", node_id=NODE, lane=lane)
        file._db.execute("PRAGMA synchronous = OFF")  # There are no power cuts here.
        return file


class Delivery(RuleBasedStateMachine):
    """Received entries are in the store only after `commit`; those of a lost stream may still be committed later."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.journals = Files(self.folder)
        self.store = Store()
        self.old_stores: list[Store] = []
        self.late: list[pb.NodeUpdate] = []
        self.connect()

    def connect(self) -> None:
        files = self.journals.files.values()
        given = {
            file.own.journal_id: self.journals.given.get(file.own.journal_id, file.opened_at_seq) for file in files
        }
        self.talk = Talk(self.journals, marks=dict(self.store.marks), window=WINDOW, given=given)
        self.talk.commits = False

    def lose_stream(self) -> None:
        self.late += [update for update in self.talk.received if update.seq]
        self.journals.given.update(self.talk.child.given)

    @rule(lane=LANES, size=st.integers(0, 1500), count=st.integers(1, 6), is_read=st.booleans())
    def append(self, lane: Lane, size: int, count: int, is_read: bool = False) -> None:
        """Includes the common case of a parent that commits at once, so that other cases start from a later state."""
        for _ in range(count):
            self.journals.append(lane, size)
        own = self.journals.files[lane].own
        self.talk.child.journal_grew(journal_id=own.journal_id, lane=lane, last_seq=own.last_seq)
        if is_read:
            self.deliver()
            self.commit(1.0, is_acked=True)

    @rule()
    def deliver(self) -> None:
        self.talk.pump()
        behind = {event.journal_id for event in self.talk.child_events if isinstance(event, JournalBehind)}
        if not behind:
            return
        self.lose_stream()
        for lane, file in self.journals.files.items():
            if file.own.journal_id in behind:
                # The parent has the entries under the old id: it has more of them than the file had.
                self.covered(file.own.journal_id, self.journals.renew(lane))
        self.connect()

    @rule(part=st.floats(0, 1), is_acked=st.booleans())
    def commit(self, part: float, is_acked: bool) -> None:
        """The store commits a prefix of the received entries; without the ack, it crashes right after the commit."""
        arrived = [update for update in self.talk.received if update.seq]
        take = round(len(arrived) * part)
        for update in arrived[:take]:
            assert self.store.apply(update), "a session has passed on what lies behind a hole"
        self.talk.received = arrived[take:]
        if is_acked:
            journal_ids = {update.journal_id for update in arrived[:take]}
            self.talk.parent.acked({journal_id: self.store.marks[journal_id] for journal_id in journal_ids})
        else:
            self.parent_dies(self.store)

    @rule()
    def cut(self) -> None:
        self.lose_stream()
        self.connect()

    @rule(part=st.floats(0, 1))
    def commit_late(self, part: float) -> None:
        """Commits entries of a replaced stream while its successor runs."""
        take = round(len(self.late) * part)
        for update in self.late[:take]:
            self.store.apply(update)
        self.late = self.late[take:]

    def parent_dies(self, store: Store) -> None:
        self.lose_stream()
        self.late = []
        self.store = store
        self.connect()

    @rule()
    def new_store(self) -> None:
        self.parent_dies(Store())

    @rule()
    def keep_store(self) -> None:
        self.old_stores.append(self.store.copy())

    @rule(which=st.integers(0, 5))
    def old_store(self, which: int) -> None:
        if self.old_stores:
            self.parent_dies(self.old_stores[which % len(self.old_stores)].copy())

    @rule(lane=LANES)
    def node_dies(self, lane: Lane) -> None:
        self.lose_stream()
        self.journals.reopen(lane)
        self.connect()

    @rule(lane=LANES)
    def copy_journal(self, lane: Lane) -> None:
        self.journals.copy(lane)

    @rule(lane=LANES, count=st.integers(0, 12))
    def restore_journal(self, lane: Lane, count: int) -> None:
        """Entries added after the copy that are not in the store are lost. Their numbers are assigned again.

        The node connects to its parent before it crashes again: the file does not record for longer that it is a copy.
        """
        if lane in self.journals.copies:
            self.lose_stream()
            self.late = []
            self.journals.restore(lane)
            self.connect()
            self.append(lane, 0, count)
            self.deliver()

    @rule(lane=LANES, lost=st.integers(1, 6), count=st.integers(0, 12))
    def go_back(self, lane: Lane, lost: int, count: int) -> None:
        """Three steps that rarely occur together by chance: copy, continue, restore."""
        self.copy_journal(lane)
        self.append(lane, 0, lost, is_read=True)
        self.restore_journal(lane, count)

    @rule(lane=LANES, is_full=st.booleans(), up_to=st.integers(1, 30))
    def trim(self, lane: Lane, is_full: bool, up_to: int) -> None:
        """Trims entries that the parent has or, above the size limit, any entries."""
        file = self.journals.files[lane]
        own = file.own.journal_id
        file.acked({own: min(self.store.marks.get(own, 0), file.own.last_seq, up_to)})
        while file.trim_step(now_ms=1, keep_ms=0, max_bytes=0 if is_full else 1 << 30):
            pass

    @invariant()
    def window_is_kept(self) -> None:
        if hasattr(self, "talk"):
            assert len([update for update in self.talk.received if update.seq]) <= WINDOW.max_updates

    @invariant()
    def nothing_twice_and_no_hole(self) -> None:
        if hasattr(self, "store"):
            words = [word for held in self.store.words.values() for word in held.values()]
            assert len(words) == len(set(words))
            for journal_id, mark in self.store.marks.items():
                self.covered(journal_id, dict.fromkeys(range(1, mark + 1), ""))

    def covered(self, journal_id: str, held: dict[int, str]) -> None:
        """Every entry is in the store as it was written, or an explicit Gap covers it."""
        stored = self.store.words.get(journal_id, {})
        for seq, word in held.items():
            if (journal_id, seq) in self.store.gaps:
                assert seq not in stored
            else:
                assert stored[seq] == (word or stored[seq])

    def teardown(self) -> None:
        """In the end everything arrives."""
        if not hasattr(self, "talk"):
            return
        for _ in range(1000):
            self.deliver()
            self.commit(1.0, is_acked=True)
            self.talk.pump()
            if self.talk.child.is_drained:
                break
        assert self.talk.child.is_drained
        self.nothing_twice_and_no_hole()
        for lane, file in self.journals.files.items():
            self.covered(file.own.journal_id, self.journals.held[lane])
        self.journals.close()
        shutil.rmtree(self.folder)


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=80, stateful_step_count=30)
