"""The stream between two nodes as a state machine without I/O: messages in, events and messages out, time passed in.

    child                          parent
      Hello            ─────────►
                       ◄─────────  Welcome (marks)
      Snapshot         ─────────►
      mark+1, mark+2 … ─────────►              replay, then live: one and the same
                       ◄─────────  Ack (after the commit)

`nodes.stream.uplink` drives a `ChildSession`, `nodes.stream.hub` a `ParentSession`, in the same way: every message
read goes into `receive`, which returns events; the one writer asks `message_to_send` for the next message until there
is none; `next_deadline` says when `tick` wants to be called. A `ProtocolViolation` from `receive` ends the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nodes.stream.wire.v1 import node_sync_pb2 as pb


class Event:
    """What a session tells its driver."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSilent(Event):
    """Nothing came for longer than the heartbeat allows, or the opening took too long: the stream is dead."""

    silent_seconds: float


# For the child


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRaised(Event):
    """A higher epoch than ever seen; must be on disk before anything said under it is acted on."""

    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcomed(Event):
    """The parent took us; it wants a Snapshot now."""

    welcome: pb.Welcome


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalBehind(Event):
    """The parent holds more of an own journal than the journal itself: it was restored from a copy.

    Its next numbers would pass for duplicates, so it must go on under a new id.
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
    """`received_mono` is when the command's time to live began to run."""

    command: pb.LeaderCommand
    received_mono: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleCommand(Event):
    """From a Leader of an older epoch; nothing of it counts."""

    command: pb.LeaderCommand
    max_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Nacked(Event):
    """The parent could not apply an entry and has set it aside; the mark moves on all the same."""

    nack: pb.Nack


@dataclass(frozen=True, slots=True, kw_only=True)
class GoAwayReceived(Event):
    go_away: pb.GoAway


# For the parent


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloReceived(Event):
    """Answer with `welcome`, or end the stream."""

    hello: pb.Hello


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseClientSeen(Event):
    """The stream opened without Hello: its client knows only the base messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatesReceived(Event):
    """In order; journaled ones are new to this stream and without a hole."""

    updates: tuple[pb.NodeUpdate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTripMeasured(Event):
    rtt_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodbyeReceived(Event):
    reason: str
