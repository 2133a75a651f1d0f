"""What a client may say, as frozen values. `dashboard.live.parse` makes them; docs/websocket.md describes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from nodes.domain.commands import TaskSpec
from nodes.domain.states import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A position in the feed of one store. Two stores' numbers are never compared."""

    store: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Auth:
    token: str
    is_batching: bool = False  # The client takes an array of messages in one frame.

    def __repr__(self) -> str:
        return "Auth(token=…)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    topics: tuple[str, ...]
    since: Cursor | None = None
    ref: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    ref: str
    task: str
    action: Action
    input: bytes = b""
    close_input: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    ref: str
    spec: TaskSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    seq: int
    held_seconds: float = 0.0  # How long the client waited before it said so.


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    ref: str
    text: str
    context: str  # "project:node"; empty = everything.


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAnswer:
    """To an approval."""

    ref: str
    approval: str
    is_yes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatStop:
    ref: str
    turn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRetry:
    ref: str
    turn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFix:
    """A click on a proposal of the analysis in this turn."""

    ref: str
    turn: str
    number: int


ChatMessage: TypeAlias = Chat | ChatAnswer | ChatStop | ChatRetry | ChatFix
ClientMessage: TypeAlias = Auth | Subscribe | Unsubscribe | Control | Run | Ack | Ping | ChatMessage
