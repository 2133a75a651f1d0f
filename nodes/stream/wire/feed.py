"""The sending side of each journal in a session: entries read ahead, entries in flight, and the parent's position."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from nodes.domain.states import Lane
from nodes.errors import ProtocolViolation
from nodes.stream.wire.entry import Entry

_MAX_SAME_HOLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """What the driver must read from the journal and pass to `ChildSession.load`."""

    journal_id: str
    lane: Lane
    after_seq: int
    max_count: int
    max_bytes: int


@dataclass(slots=True)
class InFlight:
    """Entries sent and not yet acknowledged, over all feeds of a session."""

    updates: int = 0
    size_bytes: int = 0


class Feed:
    """Positions of one journal. They only grow, except in `rewind`; `head` is the journal's last entry.

    The parent may have more than this session has sent (another Master relayed the same Edge before): then the
    positions jump forward.
    """

    def __init__(self, *, journal_id: str, lane: Lane, head: int, in_flight: InFlight) -> None:
        self.journal_id = journal_id
        self.lane = lane
        self.head = head
        self.read_to = 0
        self.sent_to = 0  # The highest number sent in this session.
        self._queue: deque[Entry] = deque()  # Read ahead; at most one read.
        self._sent: deque[Entry] = deque()  # Not acknowledged yet; bounded by the window.
        self._in_flight = in_flight
        self._hole = 0
        self._hole_times = 0

    @property
    def wants_read(self) -> bool:
        return not self._queue and self.head > self.read_to

    @property
    def next_entry(self) -> Entry | None:
        return self._queue[0] if self._queue else None

    @property
    def is_drained(self) -> bool:
        return self.head <= self.read_to and not self._queue and not self._sent

    def load(self, after_seq: int, entries: Sequence[Entry]) -> None:
        # An ack or a rewind during the read made its result useless.
        if after_seq != self.read_to or not entries:
            return
        self._queue.extend(entries)
        self.read_to = entries[-1].seq

    def take(self) -> Entry:
        entry = self._queue.popleft()
        self._sent.append(entry)
        self.sent_to = max(self.sent_to, entry.seq)
        self._in_flight.updates += 1
        self._in_flight.size_bytes += entry.size_bytes
        return entry

    def acked(self, seq: int) -> None:
        while self._sent and self._sent[0].seq <= seq:
            self._note_acked(self._sent.popleft())
        while self._queue and self._queue[0].seq <= seq:
            self._queue.popleft()
        self.read_to = max(self.read_to, seq)

    def rewind(self, seq: int) -> None:
        """Sends again from `seq`. Raises `ProtocolViolation` when the parent keeps asking for the same hole."""
        self._hole_times = self._hole_times + 1 if self._hole == seq else 1
        self._hole = seq
        if self._hole_times > _MAX_SAME_HOLE:
            raise ProtocolViolation(f"the parent asked {_MAX_SAME_HOLE} times for entry {seq} of {self.journal_id}")
        self._queue.clear()
        while self._sent and self._sent[-1].seq >= seq:
            self._note_acked(self._sent.pop())
        self.read_to = seq - 1

    def _note_acked(self, entry: Entry) -> None:
        self._in_flight.updates -= 1
        self._in_flight.size_bytes -= entry.size_bytes
