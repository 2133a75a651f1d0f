"""Declarations of client messages with their limits. docs/schemas/client.json and the table in docs/websocket.md are
generated from them, their docstrings and the comments on their fields.

Parsing is strict: any error is a `BadMessage` with a code, never another exception. Unknown fields are ignored, so that
a newer page works with an older server. Messages that act refuse them, so that a misspelt option is never silently
ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeAlias, get_args

import orjson
from msgspec import Meta, Struct, field

from dashboard.live.topics import MAX_CHARACTERS, TOPIC_PATTERN, is_topic
from nodes.domain.commands import ControlSpec, NewTask
from nodes.domain.incoming import MAX_ID, MAX_NAME, MAX_TEXT, NO_NUL, BadInput, Id, OptionalId, read
from nodes.domain.phrases import Phrase, phrase

MAX_MESSAGE_BYTES = MAX_TEXT
MAX_TOPICS = 50
_MAX_TOKEN = 4096
_MAX_FIXES = 3
_MAX_HELD_MS = 60_000

Token = Annotated[str, Meta(min_length=1, max_length=_MAX_TOKEN, pattern=NO_NUL)]
SomeText = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT, pattern=NO_NUL)]
Topics = Annotated[
    tuple[Annotated[str, Meta(extra_json_schema={"pattern": TOPIC_PATTERN, "maxLength": MAX_CHARACTERS})], ...],
    Meta(min_length=1, max_length=MAX_TOPICS),
]
# At most 18 digits, to fit the database's 64 bits. A text, because JavaScript's numbers are exact only up to 2**53.
FeedNumber: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9]{1,18}$")] | Annotated[int, Meta(ge=0, le=10**18 - 1)]


class Cursor(Struct, frozen=True, kw_only=True):
    """A position in the feed of one store. Numbers of different stores are never compared."""

    store: OptionalId
    seq: FeedNumber

    @property
    def number(self) -> int:
        return int(self.seq)


# A bare feed number refers to the current store.
Position = Annotated[Cursor | FeedNumber, Meta(extra={"expected": "position-expected"})]


class Message(Struct, frozen=True, kw_only=True, rename="camel", tag_field="type"):
    """Unknown fields are ignored."""


class Request(Message, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Acts, so unknown fields are refused. The answer repeats `ref`."""

    ref: OptionalId = ""


class Auth(Message, frozen=True, kw_only=True, tag="AUTH"):
    """Answered by `AUTH_OK`, or by close code 4401."""

    token: Token
    is_batching: bool = field(default=False, name="batch")  # The client accepts an array of messages in one frame.

    def __repr__(self) -> str:
        return "Auth(token=…)"


class Subscribe(Message, frozen=True, kw_only=True, tag="SUBSCRIBE"):
    """Answered by a `SNAPSHOT`, or by the missed messages and `PONG`."""

    topics: Topics
    # The last position of a client that reconnects.
    since: Position | None = None
    ref: OptionalId = ""

    def __post_init__(self) -> None:
        _check_topics(self.topics)

    @property
    def start(self) -> Cursor | None:
        return None if self.since is None else _cursor(self.since)


class Unsubscribe(Message, frozen=True, kw_only=True, tag="UNSUBSCRIBE"):
    """Not answered."""

    topics: Topics

    def __post_init__(self) -> None:
        _check_topics(self.topics)


class Ack(Message, frozen=True, kw_only=True, tag="ACK"):
    """Everything up to `cursor` has been applied. Not answered."""

    # `{store, seq}`, or the `seq` alone.
    cursor: Position
    held_ms: Annotated[float, Meta(ge=0, le=_MAX_HELD_MS)] = 0.0  # How long the client delayed this message.

    @property
    def seq(self) -> int:
        return _cursor(self.cursor).number


class Ping(Message, frozen=True, kw_only=True, tag="PING"):
    """Answered by `PONG`."""


# The base classes of these two refuse unknown fields.
class Control(ControlSpec, frozen=True, kw_only=True, tag_field="type", tag="CONTROL"):
    """Answered by `ACCEPTED` or `ERROR` with the `ref`, then by `COMMAND` with the `ref` at each change of state. A
    `retry` has no command: its result is the next attempt.
    """

    task: Id


class Run(NewTask, frozen=True, kw_only=True, tag_field="type", tag="RUN"):
    """Exactly one of `namedTask`, `argv` and `shellLine` is set. Answered by `ACCEPTED` with the new task's id, or
    `ERROR`.
    """

    ref: OptionalId = ""


class Chat(Request, frozen=True, kw_only=True, tag="CHAT"):
    """Answered by `CHAT_ACCEPTED`. Also subscribes the socket to the conversation's topic, so it gets the answer."""

    text: SomeText  # At most 32,000 characters.
    # `PROJECT:NODE`; either may be `*`; default: `*:*`.
    context: Annotated[str, Meta(max_length=2 * MAX_NAME, pattern=NO_NUL)] = field(default="", name="targetContext")


class ChatAnswer(Request, frozen=True, kw_only=True, tag="CHAT_ANSWER"):
    """Answered by `CHAT_ACCEPTED` or `ERROR`."""

    approval: Id  # Its id.
    decision: Literal["approve", "deny"]
    seen: OptionalId = ""  # The `digest` of the approval that the person saw; a different one is refused as `stale`.


class ChatStop(Request, frozen=True, kw_only=True, tag="CHAT_STOP"):
    """Answered by `CHAT_ACCEPTED` once the turn has stopped."""

    turn: Id


class ChatRetry(Request, frozen=True, kw_only=True, tag="CHAT_RETRY"):
    """Answered by `CHAT_ACCEPTED` with the turn that runs."""

    turn: Id  # A turn that failed, was stopped or interrupted.


class ChatFix(Request, frozen=True, kw_only=True, tag="CHAT_FIX"):
    """Answered by `CHAT_ACCEPTED` with a new turn, whose step waits for an approval; or by `ERROR`."""

    turn: Id  # The turn of the analysis.
    number: Annotated[int, Meta(ge=1, le=_MAX_FIXES)] = field(name="fix")  # 1 to 3.
    seen: OptionalId = ""  # The `digest` of the fix that the person saw; a different one is refused as `stale`.


ChatMessage: TypeAlias = Chat | ChatAnswer | ChatStop | ChatRetry | ChatFix
ClientMessage: TypeAlias = Auth | Subscribe | Unsubscribe | Control | Run | Ack | Ping | ChatMessage

MESSAGES: Mapping[str, type[ClientMessage]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(ClientMessage)
}


class BadMessage(Exception):
    """`code` is for programs: not-json, not-object, unknown-type, bad-field, bad-topic, unknown-field."""

    def __init__(self, code: str, text: str, ref: str = "", parts: Sequence[Phrase] = ()) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.ref = ref
        self.parts = parts

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> ClientMessage:
    """Parses a frame. Raises `BadMessage`. The caller checks the size first."""
    try:
        # Decoded in two steps, so that the answer repeats `ref` even if the message is invalid.
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadMessage("not-json", "The frame is not JSON.") from None
    if not isinstance(value, dict):
        raise BadMessage("not-object", "A message is one JSON object.")
    name, ref = value.get("type"), value.get("ref")
    kind = MESSAGES.get(name) if isinstance(name, str) else None
    ref = ref if isinstance(ref, str) and len(ref) <= MAX_ID else ""
    if kind is None:
        raise BadMessage("unknown-type", "There is no message of this type.", ref)
    try:
        # A null field counts as absent.
        return read(kind, {name: inner for name, inner in value.items() if inner is not None})
    except BadInput as bad:
        raise BadMessage(bad.code, str(bad), ref, (bad.part,)) from None


def _cursor(position: Cursor | str | int) -> Cursor:
    """Normalizes the number, so that equal positions compare equal."""
    if isinstance(position, Cursor):
        return Cursor(store=position.store, seq=position.number)
    return Cursor(store="", seq=int(position))


def _check_topics(topics: Sequence[str]) -> None:
    for index, topic in enumerate(topics):
        if not is_topic(topic):
            here = f"topics.{index}"
            raise BadInput("bad-topic", ("topics", str(index)), phrase("topic-expected", field=here))
