"""What a hub needs of whoever it works for: the Leader's projection, or a Master's relay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nodes.domain.states import NodeState, Role
from nodes.stream.wire.v1 import node_sync_pb2 as pb


class Identity(Protocol):
    """What a valid token says about its bearer; `nodes.stream.identity` makes them."""

    @property
    def node_id(self) -> str: ...

    @property
    def role(self) -> str: ...

    @property
    def token_id(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who is at the other end of one stream, as its token says."""

    node_id: str
    role: Role
    token_id: str
    is_base: bool = False  # It opened without Hello: it knows only the base messages.


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of a batch after its commit."""

    marks: Mapping[str, int] = field(default_factory=dict)  # journal id → committed without a hole up to here
    nacks: Sequence[pb.Nack] = ()


class Upstream(Protocol):
    """Where a hub's streams lead. All methods are called on the hub's loop and may wait for a commit."""

    async def welcome(self, peer: Peer, hello: pb.Hello) -> pb.Welcome:
        """Registers the node and returns marks, store id and the rest; the hub adds heartbeat and epoch.

        Raises `nodes.errors.WireError` to refuse the stream.
        """

    async def apply(self, peer: Peer, updates: Sequence[pb.NodeUpdate]) -> Applied:
        """Commits what is durable, takes what is ephemeral; returns after the commit."""

    async def node_state(self, node_id: str, state: NodeState, *, link_rtt_ms: float) -> None:
        """The link of a node changed: online, suspect (stream ended or silent), offline. Called once per change."""

    async def ready(self, peer: Peer) -> Sequence[pb.LeaderCommand]:
        """Commands still open for this node and the Edges behind it, to be sent (again) now that it is welcomed."""
