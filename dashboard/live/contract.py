"""All messages to clients on `/ws/`: those of the fleet, of the chat, and of the socket itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

from chat.contract import ChatMessage, ChatState
from dashboard.rights import Role
from nodes.domain.phrases import Phrases
from nodes.leader.projection.contract import (
    FleetMessage,
    FleetState,
    GapRange,
    Positioned,
    one_of,
)


class AuthOk(Positioned):
    """The token is valid."""

    type: Literal["AUTH_OK"]
    user: str
    role: Annotated[str, one_of("Role", [role for role in Role if role is not Role.NOBODY])]
    heartbeatSeconds: float


class Chats(TypedDict, total=False):
    # Conversations.
    chats: list[ChatState]


class Snapshot(Positioned, FleetState, Chats):
    """The state of these topics at this position. Of the optional fields it contains those that the topics cover."""

    type: Literal["SNAPSHOT"]
    topics: list[str]


class SlowGap(GapRange):
    """Log lines that were dropped in favour of newer ones because this socket reads too slowly: the feed's messages
    `from` to `to`. They are still available over REST.
    """

    type: Literal["GAP"]
    reason: Literal["slow"]
    lane: Literal["logs"]
    # Number of lines.
    skipped: int
    messages: int


class Accepted(TypedDict):
    """The Leader has stored the request; sent only to the requester."""

    type: Literal["ACCEPTED"]
    ref: str
    task: str
    # Empty for a new task and for `retry`.
    command: str


class ChatAccepted(TypedDict):
    """The Leader has stored the message or answer; sent only to the requester."""

    type: Literal["CHAT_ACCEPTED"]
    ref: str
    conversation: str
    turn: str


class Pong(Positioned):
    """This socket has received everything up to `seq` that it subscribed to."""

    type: Literal["PONG"]
    # How long recent changes took from the commit to the client's ACK; null = not measured yet.
    pushMs: Annotated[float, Meta(ge=0)] | None


class ErrorDetail(TypedDict, total=False):
    phrases: Phrases
    # For `definition-changed`: `definition` (send it with the retry to accept it), `nodes`, `before`, `after`.
    details: dict[str, Any]
    # `ref` of the refused request.
    ref: str


class ErrorMessage(ErrorDetail):
    """A message or a request was refused."""

    type: Literal["ERROR"]
    # Machine-readable.
    code: str
    # Human-readable.
    message: str


ServerMessage = FleetMessage | ChatMessage | AuthOk | Snapshot | SlowGap | Accepted | ChatAccepted | Pong | ErrorMessage
