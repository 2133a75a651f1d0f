"""Connects a child and a parent session without I/O, and records every message as one line."""

from __future__ import annotations

from collections.abc import Sequence

from nodes.domain.states import Lane
from nodes.stream.wire.child_session import ChildSession
from nodes.stream.wire.entry import Entry, trimmed_gap
from nodes.stream.wire.limits import Window
from nodes.stream.wire.parent_session import ParentSession
from nodes.stream.wire.session import Event, HelloReceived, JournalBehind, UpdatesReceived, Welcomed
from nodes.stream.wire.v1 import node_sync_pb2 as pb

NODE = "master-1"
LANES = {"s": Lane.STATES, "l": Lane.LOGS}


def entry(journal_id: str, seq: int, size: int = 0) -> Entry:
    """A state in journal "s", a log batch in "l"; `size` pads it."""
    update = pb.NodeUpdate(node_id=NODE, journal_id=journal_id, seq=seq)
    if journal_id == "s":
        update.task_update.CopyFrom(
            pb.TaskStatusUpdate(task_id=f"t{seq}", state=pb.TASK_STATE_RUNNING, message="x" * size)
        )
    else:
        update.logs.CopyFrom(pb.LogBatch(task_id="t1", first_line=seq, lines=[pb.LogLine(text=b"x" * size)]))
    return Entry(seq, update.ByteSize(), update)


def show(message: pb.NodeUpdate | pb.LeaderCommand) -> str:
    """A short form of one message: `s7` is entry 7 of journal s."""
    kind = message.WhichOneof("payload") or "nothing"
    if isinstance(message, pb.NodeUpdate):
        if kind == "batch":
            return " ".join(show(update) for update in message.batch.updates)
        if kind == "gap":
            return f"gap {message.journal_id}{message.gap.from_seq}-{message.gap.to_seq}"
        return f"{message.journal_id}{message.seq}" if message.seq else kind
    if kind == "ack":
        return "ack " + " ".join(f"{mark.journal_id}{mark.seq}" for mark in message.ack.marks)
    if kind == "nack":
        return f"nack {message.nack.code} {message.nack.journal_id}{message.nack.seq}"
    if kind == "welcome":
        return " ".join(["welcome", *(f"{mark.journal_id}{mark.seq}" for mark in message.welcome.marks)])
    return f"{kind} {message.command_id}".strip()


class Journals:
    """The child's entries, the parent's marks."""

    def __init__(self, **heads: int) -> None:
        self.entries = {name: [entry(name, seq) for seq in range(1, head + 1)] for name, head in heads.items()}
        self.first = dict.fromkeys(heads, 1)

    def marks(self) -> list[pb.JournalMark]:
        return [
            pb.JournalMark(journal_id=name, seq=len(entries), lane=str(LANES[name]), node_id=NODE)
            for name, entries in self.entries.items()
        ]

    def read(self, name: str, after: int, max_count: int, max_bytes: int) -> list[Entry]:
        found: list[Entry] = []
        if after + 1 < self.first[name]:
            found.append(trimmed_gap(node_id=NODE, journal_id=name, from_seq=after + 1, to_seq=self.first[name] - 1))
            after = self.first[name] - 1
        for item in self.entries[name][after : after + max_count]:
            if found and max_bytes < item.size_bytes:
                break
            found.append(item)
            max_bytes -= item.size_bytes
        return found


class Talk:
    """Pumps messages both ways. The parent commits at once unless `commits` is False."""

    def __init__(
        self,
        journals: Journals,
        *,
        marks: dict[str, int] | None = None,
        epoch: int = 1,
        max_epoch_seen: int = 0,
        window: Window | None = None,
        given: dict[str, int] | None = None,
    ) -> None:
        self.journals = journals
        self.marks = dict(marks or {})
        self.now = 0.0
        self.commits = True
        self.lines: list[str] = []
        self.stored: list[str] = []  # The content of the parent's store, in order of arrival.
        self.child_events: list[Event] = []
        self.parent_events: list[Event] = []
        self.uncommitted: dict[str, int] = {}
        self.received: list[pb.NodeUpdate] = []  # Updates passed on by the parent's session.
        hello = pb.Hello(
            protocol_version=1, name=NODE, role="master", journals=journals.marks(), max_epoch_seen=max_epoch_seen
        )
        self.child = ChildSession(node_id=NODE, hello=hello, now_mono=0.0, window=window, given=given)
        self.parent = ParentSession(now_mono=0.0, heartbeat_seconds=30.0, epoch=lambda: epoch)

    def pump(self) -> list[str]:
        """Runs until both are silent; returns the new lines."""
        start = len(self.lines)
        while self._child_turn() or self._parent_turn():
            pass
        return self.lines[start:]

    def wait(self, until: float) -> list[str]:
        """Moves time forward, stopping at every deadline."""
        start = len(self.lines)
        while (deadline := min(self.child.next_deadline(), self.parent.next_deadline())) <= until:
            self.now = deadline
            self.child_events += self.child.tick(self.now)
            self.parent_events += self.parent.tick(self.now)
            self.pump()
            if min(self.child.next_deadline(), self.parent.next_deadline()) <= self.now:
                break  # Dead: a driver would end the stream now.
        self.now = until
        return self.lines[start:]

    def add(self, name: str, size: int = 0) -> None:
        entries = self.journals.entries[name]
        entries.append(entry(name, len(entries) + 1, size))
        self.child.journal_grew(journal_id=name, lane=LANES[name], last_seq=len(entries))

    def _child_turn(self) -> bool:
        while (request := self.child.next_read()) is not None:
            entries = self.journals.read(request.journal_id, request.after_seq, request.max_count, request.max_bytes)
            self.child.load(request, entries)
        message = self.child.message_to_send(self.now)
        if message is None:
            return False
        self.lines.append(f"{self.now:g} > {show(message)}")
        self._on_parent_events(self.parent.receive(pb.NodeUpdate.FromString(message.SerializeToString()), self.now))
        return True

    def _parent_turn(self) -> bool:
        message = self.parent.message_to_send(self.now)
        if message is None:
            return False
        self.lines.append(f"{self.now:g} < {show(message)}")
        events = self.child.receive(pb.LeaderCommand.FromString(message.SerializeToString()), self.now)
        self.child_events += events
        if any(isinstance(event, JournalBehind) for event in events):
            return True  # The driver then ends the stream before anything is sent.
        for event in events:
            if isinstance(event, Welcomed):
                self.child.send_snapshots([pb.NodeUpdate(node_id=NODE, snapshot=pb.Snapshot())])
        return True

    def _on_parent_events(self, events: Sequence[Event]) -> None:
        self.parent_events += events
        for event in events:
            if isinstance(event, HelloReceived):
                marks = [
                    pb.JournalMark(journal_id=mark.journal_id, seq=self.marks.get(mark.journal_id, 0))
                    for mark in event.hello.journals
                ]
                self.parent.welcome(pb.Welcome(store_id="store", marks=marks))
            if isinstance(event, UpdatesReceived):
                self.received += event.updates
                for update in event.updates:
                    self.stored.append(show(update))
                    if update.seq:
                        self.uncommitted[update.journal_id] = update.seq
                if self.commits:
                    self.commit()

    def commit(self) -> None:
        self.marks.update(self.uncommitted)
        self.parent.acked(self.uncommitted)
        self.uncommitted = {}
