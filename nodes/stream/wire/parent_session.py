"""The parent's end of the stream: sends Welcome, passes on new entries without holes, acknowledges after the commit.

A client that opens with a base message instead of Hello is served with base messages only: no acks, no pings, no
timeout on silence (docs/protocol.md, section 2).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, auto

from nodes.errors import ProtocolViolation, VersionMismatch
from nodes.stream.wire.entry import first_covered
from nodes.stream.wire.heartbeat import Beat, Heartbeat
from nodes.stream.wire.limits import DEFAULT_HEARTBEAT_SECONDS, HANDSHAKE_SECONDS, MAX_EPOCH_RISE, PROTOCOL_VERSION
from nodes.stream.wire.session import (
    BaseClientSeen,
    Event,
    GoodbyeReceived,
    HelloReceived,
    PeerSilent,
    RoundTripMeasured,
    UpdatesReceived,
)
from nodes.stream.wire.v1 import node_sync_pb2 as pb

_MAX_COMMANDS = 1000  # Limit of unsent commands. A full queue refuses a command; its owner keeps it and sends it again.
_MAX_NACKS = 1000  # Above this, the oldest Nack is dropped: it is only informative, the entry is quarantined here.
_BASE_PAYLOADS = frozenset({"task_update", "metrics", "alert"})
_SESSION_PAYLOADS = frozenset({"hello", "ping", "pong", "batch", "goodbye"})


class _Phase(Enum):
    OPENING = auto()  # Nothing received yet.
    GREETED = auto()  # Hello received, not answered.
    LIVE = auto()
    BASE = auto()


class ParentSession:
    """The session of one stream. `epoch` is called for each message, because a Hello may have raised it."""

    def __init__(
        self,
        *,
        now_mono: float,
        heartbeat_seconds: float = DEFAULT_HEARTBEAT_SECONDS,
        epoch: Callable[[], int] = lambda: 0,
    ) -> None:
        self._phase = _Phase.OPENING
        self._epoch = epoch
        self._opened_mono = now_mono
        self._heartbeat = Heartbeat(seconds=heartbeat_seconds, now_mono=now_mono)
        self._welcome: pb.Welcome | None = None
        # Journal id → last number seen in this stream. Missing for a journal that Hello did not name: ask the store.
        self._received: dict[str, int] = {}
        self._committed: dict[str, int] = {}
        # Journal id → first missing number, so that a hole is reported once and not for each entry after it.
        self._holes: dict[str, int] = {}
        self._acks: dict[str, int] = {}
        self._revoked: list[str] = []
        self._nacks: deque[pb.Nack] = deque(maxlen=_MAX_NACKS)
        self._commands: deque[pb.LeaderCommand] = deque()
        self._go_away: pb.GoAway | None = None

    # -- input from the driver

    def receive(self, message: pb.NodeUpdate, now_mono: float) -> Sequence[Event]:
        kind = message.WhichOneof("payload")
        had_rtt = self._heartbeat.rtt_seconds
        self._heartbeat.received(kind, now_mono)
        match self._phase:
            case _Phase.OPENING:
                return self._receive_first(kind, message)
            case _Phase.GREETED if kind not in ("ping", "pong", "goodbye"):
                raise ProtocolViolation(f"the node sent {kind} before its Welcome")
            # None is a payload of a later version, which the store will quarantine.
            case _Phase.BASE if (kind is not None and kind not in _BASE_PAYLOADS) or message.seq:
                raise ProtocolViolation(f"a client that opened without Hello sent {kind} with number {message.seq}")
        if kind == "goodbye":
            return [GoodbyeReceived(reason=message.goodbye.reason)]
        if kind == "pong" and self._heartbeat.rtt_seconds != had_rtt:
            return [RoundTripMeasured(rtt_seconds=self._heartbeat.rtt_seconds)]
        if kind in ("ping", "pong"):
            return []
        if kind == "hello":
            raise ProtocolViolation("the node sent a second Hello")
        updates = self._new_updates(message.batch.updates if kind == "batch" else (message,))
        return [UpdatesReceived(updates=updates)] if updates else []

    def welcome(self, welcome: pb.Welcome) -> None:
        """Answers Hello. Fills in heartbeat and version."""
        if self._phase is not _Phase.GREETED:
            raise AssertionError("a Welcome answers a Hello")
        welcome.protocol_version = PROTOCOL_VERSION
        welcome.heartbeat_seconds = self._heartbeat.seconds
        self._welcome = welcome
        self._received.update((mark.journal_id, mark.seq) for mark in welcome.marks)
        self._committed.update(self._received)
        self._phase = _Phase.LIVE

    def acked(self, marks: Mapping[str, int]) -> None:
        """Journal id → number up to which entries are now committed."""
        for journal_id, seq in marks.items():
            self._committed[journal_id] = seq
            self._received[journal_id] = max(self._received.get(journal_id, 0), seq)
            self._acks[journal_id] = seq

    def nacked(self, nacks: Iterable[pb.Nack]) -> None:
        """The store refused these entries. The code "hole" makes the node send again from there."""
        for nack in nacks:
            if nack.code == "hole":
                self._received[nack.journal_id] = nack.seq - 1
            self._nacks.append(nack)

    def revoked(self, token_ids: Iterable[str]) -> None:
        """Token ids to forward to the node's own children, sent with the next ack."""
        self._revoked.extend(token_ids)

    def send_command(self, command: pb.LeaderCommand) -> bool:
        """False when the queue is full, or the node is being disconnected."""
        if self._go_away is not None or len(self._commands) >= _MAX_COMMANDS:
            return False
        self._commands.append(command)
        return True

    def send_away(self, *, reason: str, redirect: str = "", retry_after_seconds: float = 0.0) -> None:
        self._go_away = pb.GoAway(reason=reason, redirect=redirect, retry_after_seconds=retry_after_seconds)

    def ping(self) -> None:
        """Requests a Ping, except from a base client, which does not understand it."""
        if self._phase is _Phase.LIVE:
            self._heartbeat.ping()

    # -- queries from the driver

    @property
    def is_base(self) -> bool:
        return self._phase is _Phase.BASE

    @property
    def rtt_seconds(self) -> float:
        """Round trip in seconds; 0 = not measured yet."""
        return self._heartbeat.rtt_seconds

    @property
    def last_received_mono(self) -> float:
        return self._heartbeat.last_received_mono

    def message_to_send(self, now_mono: float) -> pb.LeaderCommand | None:
        """The next message, or None until something changes. The caller must write it before calling again."""
        message = self._next_base_message() if self.is_base else self._next_message()
        if message is not None:
            if message.epoch == 0:  # A Master relays a Leader's command with the Leader's own epoch.
                message.epoch = self._epoch()
            self._heartbeat.sent(message.WhichOneof("payload"), now_mono)
        return message

    def next_deadline(self) -> float:
        match self._phase:
            case _Phase.LIVE:
                return self._heartbeat.next_deadline()
            case _Phase.BASE:
                return math.inf
            case _:
                return self._opened_mono + HANDSHAKE_SECONDS

    def tick(self, now_mono: float) -> Sequence[Event]:
        match self._phase:
            case _Phase.BASE:
                return []
            case _Phase.LIVE if not self._heartbeat.is_silent(now_mono):
                self._heartbeat.tick(now_mono)
                return []
            case _Phase.OPENING | _Phase.GREETED if now_mono < self._opened_mono + HANDSHAKE_SECONDS:
                return []
        return [PeerSilent(silent_seconds=now_mono - self._heartbeat.last_received_mono)]

    # -- receiving

    def _receive_first(self, kind: str | None, message: pb.NodeUpdate) -> Sequence[Event]:
        if kind == "hello":
            version = message.hello.protocol_version
            if abs(version - PROTOCOL_VERSION) > 1:
                raise VersionMismatch(f"the node uses version {version}, this hub {PROTOCOL_VERSION}")
            if message.hello.max_epoch_seen > self._epoch() + MAX_EPOCH_RISE:
                raise ProtocolViolation(f"no Leader can have reached epoch {message.hello.max_epoch_seen}")
            self._phase = _Phase.GREETED
            return [HelloReceived(hello=message.hello)]
        if kind in _BASE_PAYLOADS and message.seq == 0:
            self._phase = _Phase.BASE
            return [BaseClientSeen(), UpdatesReceived(updates=(message,))]
        raise ProtocolViolation(f"a stream opens with Hello or a base message, not with {kind}")

    def _new_updates(self, updates: Iterable[pb.NodeUpdate]) -> tuple[pb.NodeUpdate, ...]:
        """Drops entries that were received before and entries after a hole."""
        fresh = []
        for update in updates:
            if update.WhichOneof("payload") in _SESSION_PAYLOADS:
                raise ProtocolViolation(f"{update.WhichOneof('payload')} within a batch")
            if update.seq == 0 or self._is_next(update):
                fresh.append(update)
            if update.WhichOneof("payload") == "snapshot":
                # The opening is over and the node is idle: a good moment to measure the link's round trip.
                self._heartbeat.ping()
        return tuple(fresh)

    def _is_next(self, update: pb.NodeUpdate) -> bool:
        journal_id = update.journal_id
        if not journal_id:
            raise ProtocolViolation(f"entry {update.seq} names no journal")
        last = self._received.get(journal_id)
        if last is not None and update.seq <= last:
            # Sent twice. The ack may have been lost with an older stream, so acknowledge again.
            if journal_id in self._committed:
                self._acks[journal_id] = self._committed[journal_id]
            return False
        if last is not None and first_covered(update) > last + 1:
            if self._holes.get(journal_id) != last + 1:
                self._holes[journal_id] = last + 1
                message = f"entry {last + 1} is missing before {update.seq}"
                self._nacks.append(pb.Nack(journal_id=journal_id, seq=last + 1, code="hole", message=message))
            return False
        self._holes.pop(journal_id, None)
        self._received[journal_id] = update.seq
        return True

    # -- sending

    def _next_base_message(self) -> pb.LeaderCommand | None:
        return self._commands.popleft() if self._commands else None

    def _next_message(self) -> pb.LeaderCommand | None:
        if self._welcome is not None:
            welcome, self._welcome = self._welcome, None
            return pb.LeaderCommand(welcome=welcome)
        if self._phase is not _Phase.LIVE and self._go_away is None:
            return None
        beat = self._heartbeat.take_due()
        if beat is not None:
            return pb.LeaderCommand(ping=pb.Ping()) if beat is Beat.PING else pb.LeaderCommand(pong=pb.Pong())
        if self._acks or self._revoked:
            return pb.LeaderCommand(ack=self._take_ack())
        if self._nacks:
            return pb.LeaderCommand(nack=self._nacks.popleft())
        if self._commands:
            return self._commands.popleft()
        if self._go_away is not None:
            go_away, self._go_away = self._go_away, None
            return pb.LeaderCommand(go_away=go_away)
        return None

    def _take_ack(self) -> pb.Ack:
        marks = [pb.JournalMark(journal_id=journal_id, seq=seq) for journal_id, seq in self._acks.items()]
        ack = pb.Ack(marks=marks, revoked_token_ids=self._revoked)
        self._acks.clear()
        self._revoked.clear()
        return ack
