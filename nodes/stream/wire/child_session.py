"""The child's end of the stream: opens with Hello, replays from the parent's marks, respects the window.

Order within a frame: states, ephemeral updates, logs. The session does not access journals: it requests entries with
`next_read` and receives them with `load`, at most one read ahead per journal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from nodes.domain.states import Lane
from nodes.errors import ProtocolViolation, VersionMismatch
from nodes.stream.wire.entry import Entry
from nodes.stream.wire.feed import Feed, InFlight, ReadRequest
from nodes.stream.wire.heartbeat import Beat, Heartbeat
from nodes.stream.wire.limits import (
    DEFAULT_HEARTBEAT_SECONDS,
    HANDSHAKE_SECONDS,
    HEARTBEAT_RANGE_SECONDS,
    MAX_EPOCH_RISE,
    MAX_FRAME_BYTES,
    PROTOCOL_VERSION,
    Window,
)
from nodes.stream.wire.session import (
    Acked,
    CommandReceived,
    EpochRaised,
    Event,
    GoAwayReceived,
    JournalBehind,
    Nacked,
    PeerSilent,
    StaleCommand,
    TokensRevoked,
    Welcomed,
)
from nodes.stream.wire.v1 import node_sync_pb2 as pb

# The parent pings first; the child pings only when the parent is late.
_GRACE_SECONDS = 1.0
# The newest wins per key, so this limits the number of keys: tasks with progress, and Edges.
_MAX_EPHEMERAL = 4096
# Bytes for tag and length before each update within a frame.
_FRAMING_BYTES = 6


class ChildSession:
    """The session of one stream; a new stream gets a new session."""

    def __init__(
        self,
        *,
        node_id: str,
        hello: pb.Hello,
        now_mono: float,
        given: Mapping[str, int] | None = None,
        window: Window | None = None,
    ) -> None:
        """`given`: own journal's id → the highest number that a parent can have: the last one in the file when it was
        opened, or the last one sent since. Without it, the last number in Hello.
        """
        self._node_id = node_id
        self._window = window or Window()
        self._heartbeat = Heartbeat(seconds=DEFAULT_HEARTBEAT_SECONDS, now_mono=now_mono, grace_seconds=_GRACE_SECONDS)
        self._opened_mono = now_mono
        self.max_epoch = hello.max_epoch_seen
        self.is_welcomed = False
        self.is_live = False  # The Snapshot has been queued: entries may follow.
        self.dropped_ephemeral = 0
        self._in_flight = InFlight()
        self._feeds: dict[str, Feed] = {}
        self._lanes: dict[Lane, deque[Feed]] = {Lane.STATES: deque(), Lane.LOGS: deque()}
        for mark in hello.journals:
            self._add_feed(mark.journal_id, Lane(mark.lane), mark.seq)
        heads = {mark.journal_id: mark.seq for mark in hello.journals if mark.node_id == node_id}
        self._given = heads | {name: seq for name, seq in (given or {}).items() if name in heads}
        self._first = deque([pb.NodeUpdate(node_id=node_id, hello=hello)])
        self._snapshots: deque[pb.NodeUpdate] = deque()
        self._ephemeral: dict[str, pb.NodeUpdate] = {}
        self._last: deque[pb.NodeUpdate] = deque()

    # -- input from the driver

    def receive(self, message: pb.LeaderCommand, now_mono: float) -> Sequence[Event]:
        kind = message.WhichOneof("payload")
        self._heartbeat.received(kind, now_mono)
        if kind in ("ping", "pong", None):  # None is a payload of a later version, which this version ignores.
            return []
        if kind == "go_away":
            return [GoAwayReceived(go_away=message.go_away)]
        if message.epoch < self.max_epoch:
            if kind == "welcome":
                raise ProtocolViolation(
                    f"a Leader of epoch {message.epoch} is out of date: epoch {self.max_epoch} has been seen"
                )
            return [StaleCommand(command=message, max_epoch=self.max_epoch)]
        events: list[Event] = []
        if message.epoch > self.max_epoch + MAX_EPOCH_RISE:
            raise ProtocolViolation(f"no Leader can have reached epoch {message.epoch}")
        if message.epoch > self.max_epoch:
            self.max_epoch = message.epoch
            events.append(EpochRaised(epoch=message.epoch))
        if kind == "welcome":
            events += self._receive_welcome(message.welcome)
        elif not self.is_welcomed:
            raise ProtocolViolation(f"the parent sent {kind} before its Welcome")
        elif kind == "ack":
            events += self._receive_ack(message.ack)
        elif kind == "nack":
            events += self._receive_nack(message.nack)
        else:
            events.append(CommandReceived(command=message, received_mono=now_mono))
        return events

    def send_snapshots(self, snapshots: Iterable[pb.NodeUpdate]) -> None:
        """Answers `Welcomed`; entries may flow from now on. The first is the node's own, the rest are its Edges'."""
        if not self.is_welcomed:
            raise AssertionError("a snapshot answers a Welcome")
        self._snapshots.extend(snapshots)
        self.is_live = True

    def send_ephemeral(self, key: str, update: pb.NodeUpdate) -> None:
        """The newest wins per key. Updates that are replaced before they are sent, or have no room, are counted."""
        if key in self._ephemeral:
            self.dropped_ephemeral += 1
        elif len(self._ephemeral) >= _MAX_EPHEMERAL:
            self.dropped_ephemeral += 1
            return
        self._ephemeral[key] = update

    def forget_ephemeral(self, key: str) -> None:
        """Drops the pending update of this key: a durable update has replaced it."""
        self._ephemeral.pop(key, None)

    def journal_grew(self, *, journal_id: str, lane: Lane, last_seq: int) -> None:
        """Also for a journal that was not in Hello: its first ack shows what the parent has of it."""
        feed = self._feeds.get(journal_id)
        if feed is None:
            self._add_feed(journal_id, lane, last_seq)
        else:
            feed.head = max(feed.head, last_seq)

    def load(self, request: ReadRequest, entries: Sequence[Entry]) -> None:
        self._feed(request.journal_id).load(request.after_seq, entries)

    def say_goodbye(self, reason: str) -> None:
        """Sends the last message: after a clean end, the parent reports the node offline without delay."""
        self._last.append(pb.NodeUpdate(node_id=self._node_id, goodbye=pb.Goodbye(reason=reason)))

    # -- queries from the driver

    @property
    def is_drained(self) -> bool:
        """True when the parent has committed every journaled entry."""
        return self.is_live and all(feed.is_drained for feed in self._feeds.values())

    @property
    def given(self) -> Mapping[str, int]:
        """`given` as passed in, updated with what has been sent since."""
        return {name: max(seq, self._feeds[name].sent_to) for name, seq in self._given.items()}

    @property
    def rtt_seconds(self) -> float:
        """Round trip in seconds; 0 = not measured yet."""
        return self._heartbeat.rtt_seconds

    def next_read(self) -> ReadRequest | None:
        """Entries to load before the next message, states first. None when the window is full."""
        if not self.is_live:
            return None
        for lane in (Lane.STATES, Lane.LOGS):
            for feed in self._lanes[lane]:
                if feed.wants_read and self._has_room(lane, 1):
                    return ReadRequest(
                        journal_id=feed.journal_id,
                        lane=lane,
                        after_seq=feed.read_to,
                        max_count=self._window.max_updates,
                        max_bytes=MAX_FRAME_BYTES,
                    )
        return None

    def message_to_send(self, now_mono: float) -> pb.NodeUpdate | None:
        """The next message, or None until something changes. The caller must write it before calling again."""
        message = self._next_message()
        if message is not None:
            self._heartbeat.sent(message.WhichOneof("payload"), now_mono)
        return message

    def next_deadline(self) -> float:
        """The monotonic time at which to call `tick`."""
        if not self.is_welcomed:
            return self._opened_mono + HANDSHAKE_SECONDS
        return self._heartbeat.next_deadline()

    def tick(self, now_mono: float) -> Sequence[Event]:
        if not self.is_welcomed:
            waited = now_mono - self._opened_mono
            return [PeerSilent(silent_seconds=waited)] if waited >= HANDSHAKE_SECONDS else []
        if self._heartbeat.is_silent(now_mono):
            return [PeerSilent(silent_seconds=now_mono - self._heartbeat.last_received_mono)]
        self._heartbeat.tick(now_mono)
        return []

    # -- receiving

    def _receive_welcome(self, welcome: pb.Welcome) -> Sequence[Event]:
        if self.is_welcomed:
            raise ProtocolViolation("the parent sent a second Welcome")
        if welcome.protocol_version and abs(welcome.protocol_version - PROTOCOL_VERSION) > 1:
            raise VersionMismatch(f"the parent uses version {welcome.protocol_version}, this node {PROTOCOL_VERSION}")
        self.is_welcomed = True
        low, high = HEARTBEAT_RANGE_SECONDS
        self._heartbeat.seconds = min(max(welcome.heartbeat_seconds or DEFAULT_HEARTBEAT_SECONDS, low), high)
        events: list[Event] = [Welcomed(welcome=welcome)]
        for mark in welcome.marks:
            feed = self._feed(mark.journal_id)
            # Not compared with the head: numbers assigned since the file was opened may have reached the mark.
            if mark.seq > self._given.get(mark.journal_id, mark.seq):
                events.append(JournalBehind(journal_id=mark.journal_id, mark=mark.seq))
            feed.acked(mark.seq)
        return events

    def _receive_ack(self, ack: pb.Ack) -> Sequence[Event]:
        events: list[Event] = []
        for mark in ack.marks:
            self._feed(mark.journal_id).acked(mark.seq)
        if ack.marks:
            events.append(Acked(marks={mark.journal_id: mark.seq for mark in ack.marks}))
        if ack.revoked_token_ids:
            events.append(TokensRevoked(token_ids=tuple(ack.revoked_token_ids)))
        return events

    def _receive_nack(self, nack: pb.Nack) -> Sequence[Event]:
        if nack.code == "hole":
            self._feed(nack.journal_id).rewind(nack.seq)
            return []
        if nack.journal_id in self._feeds:
            # Handled, like all entries before it: it must not fill the window, even if the parent's mark does not move.
            self._feeds[nack.journal_id].acked(nack.seq)
        return [Nacked(nack=nack)]

    # -- sending

    def _next_message(self) -> pb.NodeUpdate | None:
        if self._first:
            return self._first.popleft()
        beat = self._heartbeat.take_due()
        if beat is not None:
            return pb.NodeUpdate(ping=pb.Ping()) if beat is Beat.PING else pb.NodeUpdate(pong=pb.Pong())
        if self._snapshots:
            return self._snapshots.popleft()
        if self._last:
            return self._last.popleft()
        if not self.is_live:
            return None
        updates = self._fill_frame()
        if not updates:
            return None
        if len(updates) == 1:
            return updates[0]
        return pb.NodeUpdate(node_id=self._node_id, batch=pb.UpdateBatch(updates=updates))

    def _fill_frame(self) -> list[pb.NodeUpdate]:
        updates: list[pb.NodeUpdate] = []
        left = self._take_entries(Lane.STATES, MAX_FRAME_BYTES, updates)
        while self._ephemeral and left > 0:
            key = next(iter(self._ephemeral))
            update = self._ephemeral[key]
            size = update.ByteSize() + _FRAMING_BYTES
            if size > left and updates:
                break
            del self._ephemeral[key]
            updates.append(update)
            left -= size
        self._take_entries(Lane.LOGS, left, updates)
        return updates

    def _take_entries(self, lane: Lane, left: int, updates: list[pb.NodeUpdate]) -> int:
        """Adds the entries that fit into the frame and the window; returns the bytes left in the frame."""
        feeds = self._lanes[lane]
        for feed in feeds:
            while (entry := feed.next_entry) is not None:
                size = entry.size_bytes + _FRAMING_BYTES
                # A single entry may be as large as the frame: on its own it is always sent.
                if (size > left and updates) or not self._has_room(lane, entry.size_bytes):
                    break
                updates.append(feed.take().update)
                left -= size
        # Next time another journal of this lane goes first: one busy Edge must not starve the others.
        feeds.rotate(-1)
        return left

    def _has_room(self, lane: Lane, size_bytes: int) -> bool:
        """Whether one more entry may be in flight."""
        flying = self._in_flight
        if flying.updates == 0:
            return True  # Regardless of the window's size, one entry may always be in flight.
        share = self._window.logs_share if lane is Lane.LOGS else 1.0
        return (
            flying.updates < self._window.max_updates * share
            and flying.size_bytes + size_bytes <= self._window.max_bytes * share
        )

    def _add_feed(self, journal_id: str, lane: Lane, head: int) -> None:
        feed = Feed(journal_id=journal_id, lane=lane, head=head, in_flight=self._in_flight)
        self._feeds[journal_id] = feed
        self._lanes[lane].append(feed)

    def _feed(self, journal_id: str) -> Feed:
        try:
            return self._feeds[journal_id]
        except KeyError:
            raise ProtocolViolation(f"the parent named journal {journal_id!r}, which this node does not hold") from None
