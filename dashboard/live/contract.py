"""All that goes out on `/ws/`: the fleet's messages, the chat's, and what a socket says by itself."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from chat.contract import ChatMessage, ChatState
from dashboard.rights import Role
from nodes.leader.projection.contract import (
    FleetMessage,
    FleetState,
    GapRange,
    MessagePart,
    Positioned,
    one_of,
)


class AuthOk(Positioned):
    type: Literal["AUTH_OK"]
    user: str
    role: Annotated[str, one_of("Role", [role for role in Role if role is not Role.NOBODY])]
    heartbeatSeconds: float


class Chats(TypedDict, total=False):
    chats: list[ChatState]


class Snapshot(Positioned, FleetState, Chats):
    """The state of these topics at this place in the feed."""

    type: Literal["SNAPSHOT"]
    topics: list[str]


class SlowGap(GapRange):
    """Log lines that made room for newer ones because this socket reads too slowly."""

    type: Literal["GAP"]
    reason: Literal["slow"]
    lane: Literal["logs"]
    skipped: int
    messages: int


class Accepted(TypedDict):
    """The Leader has stored the request; to the asker alone."""

    type: Literal["ACCEPTED"]
    ref: str
    task: str
    command: str


class ChatAccepted(TypedDict):
    """The Leader has stored what was said or answered; to the asker alone."""

    type: Literal["CHAT_ACCEPTED"]
    ref: str
    conversation: str
    turn: str


class Pong(Positioned):
    """This socket has been sent everything up to `seq` that it listens to."""

    type: Literal["PONG"]
    # How long the last acknowledged changes took from the commit to the page.
    pushMs: Annotated[float, Meta(ge=0)] | None


class ErrorDetail(TypedDict, total=False):
    messageParts: list[MessagePart]
    # Of the request that was refused.
    ref: str


class ErrorMessage(ErrorDetail):
    type: Literal["ERROR"]
    code: str
    message: str


ServerMessage = FleetMessage | ChatMessage | AuthOk | Snapshot | SlowGap | Accepted | ChatAccepted | Pong | ErrorMessage
