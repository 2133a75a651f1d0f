"""The interfaces that a hub needs from its owner: the Leader's projection, or a Master's relay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nodes.domain.states import NodeState, Role
from nodes.errors import AgentFlowError
from nodes.stream.wire.v1 import node_sync_pb2 as pb


class Identity(Protocol):
    """The bearer of a valid token; `nodes.stream.identity` implements this."""

    @property
    def node_id(self) -> str: ...

    @property
    def role(self) -> str: ...

    @property
    def token_id(self) -> str: ...

    @property
    def public_key(self) -> bytes: ...

    @property
    def issued_at(self) -> int: ...

    @property
    def expires_at(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The node at the other end of a stream, according to its token."""

    node_id: str
    role: Role
    token_id: str
    # Its own key, from its token. Such a node counts as connected only once it has shown a ticket signed with that key.
    public_key: bytes = b""
    # Of its token, in Unix seconds; 0 = never expires.
    token_issued_at: int = 0
    token_expires_at: int = 0
    is_base: bool = False  # It opened without Hello, so it supports only the base messages.


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The outcome of a batch after its commit."""

    marks: Mapping[str, int] = field(default_factory=dict)  # Journal id → committed without a hole up to this number.
    nacks: Sequence[pb.Nack] = ()


class TicketRefused(AgentFlowError):
    """The ticket does not attach the node to this parent, for example because a newer one names another."""


class Upstream(Protocol):
    """The receiver of a hub's updates. All methods are called on the hub's loop and may wait for a commit."""

    async def welcome(self, peer: Peer, hello: pb.Hello) -> pb.Welcome:
        """Registers the node and returns its Welcome (marks, store id and so on); the hub adds heartbeat and epoch.

        Raises `nodes.errors.WireError` to refuse the stream.
        """

    async def take_ticket(self, peer: Peer, update: pb.NodeUpdate) -> None:
        """Called with the first ticket of a node with a key, whose signature has been checked, before it joins.

        Raises `TicketRefused`.
        """

    async def apply(self, peer: Peer, updates: Sequence[pb.NodeUpdate]) -> Applied:
        """Commits durable updates and takes ephemeral ones; returns after the commit."""

    async def node_state(self, node_id: str, state: NodeState, *, link_rtt_ms: float) -> None:
        """Called once per change of a node's link: online, suspect (stream ended or silent), offline."""

    async def ready(self, peer: Peer) -> Sequence[pb.LeaderCommand]:
        """Open commands for this node and its Edges, to be sent (again) now that the node has its Welcome."""
