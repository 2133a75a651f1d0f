"""The stream between two nodes as a state machine without I/O: messages in, events and messages out, time is passed in.

    child                          parent
      Hello            ─────────►
                       ◄─────────  Welcome (marks)
      Snapshot         ─────────►
      mark+1, mark+2 … ─────────►              replay, then live, by the same rules
                       ◄─────────  Ack (after the commit)

`nodes.stream.uplink` drives a `ChildSession` and `nodes.stream.hub` a `ParentSession`, in the same way: every message
read is passed to `receive`, which returns events; the only writer calls `message_to_send` until it returns None;
`next_deadline` is when `tick` must be called. A `ProtocolViolation` from `receive` ends the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nodes.stream.wire.v1 import node_sync_pb2 as pb


class Event:
    """What a session reports to its driver."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSilent(Event):
    """Nothing arrived for longer than the heartbeat allows, or the opening took too long: the stream is dead."""

    silent_seconds: float


# Events of the child


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRaised(Event):
    """The highest epoch seen so far; must be on disk before any message of this epoch is acted on."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcomed(Event):
    """The parent accepted this node and now expects a Snapshot."""

    welcome: pb.Welcome


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalBehind(Event):
    """The parent has more entries of an own journal than the journal itself: it was restored from a copy.

    Its next numbers would be taken for duplicates, so it must continue under a new id.
    """

    journal_id: str
    mark: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Acked(Event):
    """Committed at the parent up to these numbers."""

    marks: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensRevoked(Event):
    token_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReceived(Event):
    """The command's time to live counts from `received_mono`."""

    command: pb.LeaderCommand
    received_mono: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleCommand(Event):
    """From a Leader of an older epoch; must be ignored."""

    command: pb.LeaderCommand
    max_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Nacked(Event):
    """The parent could not apply an entry and has quarantined it; its mark still moves on."""

    nack: pb.Nack


@dataclass(frozen=True, slots=True, kw_only=True)
class GoAwayReceived(Event):
    go_away: pb.GoAway


# Events of the parent


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloReceived(Event):
    """Answer with `welcome`, or end the stream."""

    hello: pb.Hello


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseClientSeen(Event):
    """The stream opened without Hello: its client supports only the base messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatesReceived(Event):
    """Updates in order; journaled ones are new to this stream and without holes."""

    updates: tuple[pb.NodeUpdate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTripMeasured(Event):
    rtt_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodbyeReceived(Event):
    reason: str
