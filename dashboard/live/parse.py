"""Reads a client's frame, strictly: anything wrong is one `BadMessage` with a code, never another exception.

Fields that are not known are ignored, so that a newer page can talk to an older server; except in CONTROL, RUN and
CHAT, which act: there a misspelt option must not silently be left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from dashboard.live.messages import (
    Ack,
    Auth,
    Chat,
    ChatAnswer,
    ChatFix,
    ChatRetry,
    ChatStop,
    ClientMessage,
    Control,
    Cursor,
    Ping,
    Run,
    Subscribe,
    Unsubscribe,
)
from dashboard.live.topics import is_topic
from nodes.domain.commands import TaskSpec
from nodes.domain.states import Action

MAX_MESSAGE_BYTES = 64 << 10
MAX_TOPICS = 50
_MAX_REF = 64
_MAX_ID = 64
_MAX_NAME = 200
_MAX_FIXES = 3
_MAX_SEQ = (1 << 63) - 1
_MAX_SECONDS = 366 * 86_400.0


class BadMessage(Exception):
    """`code` is for programs: not-json, not-object, unknown-type, bad-field, unknown-field."""

    def __init__(self, code: str, text: str, ref: str = "") -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.ref = ref

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> ClientMessage:
    """Raises `BadMessage`. The size is the caller's to check: it must be judged before anything is read."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadMessage("not-json", "The frame is not JSON.") from None
    if not isinstance(value, dict):
        raise BadMessage("not-object", "A message is one JSON object.")
    kind = value.get("type")
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise BadMessage("unknown-type", "There is no message of this type.", _ref_of(value))
    try:
        return read(_Fields(value))
    except BadMessage as bad:
        bad.ref = _ref_of(value)
        raise


def _ref_of(value: Mapping[str, Any]) -> str:
    ref = value.get("ref")
    return ref if isinstance(ref, str) and len(ref) <= _MAX_REF else ""


class _Fields:
    """Typed access to one message's fields; remembers which were read."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._value = value
        self._read = {"type"}

    def _get(self, name: str) -> Any:
        self._read.add(name)
        return self._value.get(name)

    def string(self, name: str, *, max_characters: int, is_required: bool = False) -> str:
        value = self._get(name)
        if value is None and not is_required:
            return ""
        if not isinstance(value, str) or len(value) > max_characters or "\0" in value or (is_required and not value):
            raise BadMessage("bad-field", f"'{name}' must be text of at most {max_characters} characters.")
        return value

    def boolean(self, name: str) -> bool:
        value = self._get(name)
        if value is not None and not isinstance(value, bool):
            raise BadMessage("bad-field", f"'{name}' must be true or false.")
        return bool(value)

    def number(self, name: str, *, maximum: float) -> float:
        value = self._get(name)
        if value is None:
            return 0.0
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= maximum:
            raise BadMessage("bad-field", f"'{name}' must be a number from 0 to {maximum:g}.")
        return float(value)

    def whole_number(self, name: str, *, maximum: int) -> int:
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= maximum:
            raise BadMessage("bad-field", f"'{name}' must be a whole number from 1 to {maximum}.")
        return value

    def strings(self, name: str, *, max_items: int) -> tuple[str, ...]:
        value = self._get(name)
        if value is None:
            return ()
        if (
            not isinstance(value, list)
            or len(value) > max_items
            or not all(isinstance(item, str) and "\0" not in item for item in value)
        ):
            raise BadMessage("bad-field", f"'{name}' must be a list of at most {max_items} texts.")
        return tuple(value)

    def text_map(self, name: str, *, max_items: int) -> dict[str, str]:
        value = self._get(name)
        if value is None:
            return {}
        if (
            not isinstance(value, dict)
            or len(value) > max_items
            or not all(
                isinstance(item, str) and key and "=" not in key and "\0" not in key + item
                for key, item in value.items()
            )
        ):
            raise BadMessage("bad-field", f"'{name}' must be an object of texts.")
        return dict(value)

    def topics(self) -> tuple[str, ...]:
        topics = self.strings("topics", max_items=MAX_TOPICS)
        if not topics:
            raise BadMessage("bad-field", "'topics' must name at least one topic.")
        for topic in topics:
            if not is_topic(topic):
                raise BadMessage("bad-topic", "'topics' names one that does not exist.")
        return tuple(dict.fromkeys(topics))

    def cursor(self, name: str) -> Cursor | None:
        """{store, seq}; a bare feed number counts as one of the current store."""
        value = self._get(name)
        if value is None:
            return None
        if isinstance(value, dict):
            store = value.get("store")
            if isinstance(store, str) and len(store) <= _MAX_ID:
                return Cursor(store=store, seq=_feed_number(value.get("seq"), name))
            raise BadMessage("bad-field", f"'{name}' must be a position: store and seq.")
        return Cursor(store="", seq=_feed_number(value, name))

    def refuse_others(self) -> None:
        if any(name not in self._read for name in self._value):
            raise BadMessage("unknown-field", "The message has a field that it must not have.")


def _feed_number(value: Any, name: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_SEQ:
        raise BadMessage("bad-field", f"'{name}' must hold a feed number.")
    return value


def _auth(fields: _Fields) -> Auth:
    return Auth(
        token=fields.string("token", max_characters=4096, is_required=True),
        is_batching=fields.boolean("batch"),
    )


def _subscribe(fields: _Fields) -> Subscribe:
    return Subscribe(
        topics=fields.topics(), since=fields.cursor("since"), ref=fields.string("ref", max_characters=_MAX_REF)
    )


def _unsubscribe(fields: _Fields) -> Unsubscribe:
    return Unsubscribe(topics=fields.topics())


def _control(fields: _Fields) -> Control:
    ref = fields.string("ref", max_characters=_MAX_REF)
    task = fields.string("task", max_characters=_MAX_ID, is_required=True)
    name = fields.string("action", max_characters=_MAX_ID, is_required=True)
    if name not in set(Action):
        raise BadMessage("bad-field", f"'action' must be one of {', '.join(Action)}.")
    message = Control(
        ref=ref,
        task=task,
        action=Action(name),
        input=fields.string("input", max_characters=MAX_MESSAGE_BYTES).encode(),
        close_input=fields.boolean("closeInput"),
        reason=fields.string("reason", max_characters=500),
    )
    fields.refuse_others()
    return message


def _run(fields: _Fields) -> Run:
    message = Run(
        ref=fields.string("ref", max_characters=_MAX_REF),
        spec=TaskSpec(
            project=fields.string("project", max_characters=_MAX_NAME),
            node=fields.string("node", max_characters=_MAX_ID),
            name=fields.string("name", max_characters=_MAX_NAME),
            named_task=fields.string("namedTask", max_characters=_MAX_NAME),
            argv=fields.strings("argv", max_items=1000),
            shell_line=fields.string("shellLine", max_characters=MAX_MESSAGE_BYTES),
            working_directory=fields.string("workingDirectory", max_characters=4096),
            environment=fields.text_map("environment", max_items=200),
            timeout_seconds=fields.number("timeoutSeconds", maximum=_MAX_SECONDS),
            stall_after_seconds=fields.number("stallAfterSeconds", maximum=_MAX_SECONDS),
            close_input=fields.boolean("closeInput"),
        ),
    )
    fields.refuse_others()
    if sum(1 for way in (message.spec.argv, message.spec.shell_line, message.spec.named_task) if way) != 1:
        raise BadMessage("bad-field", "Give exactly one of 'namedTask', 'argv' and 'shellLine'.")
    return message


def _ack(fields: _Fields) -> Ack:
    cursor = fields.cursor("cursor")
    if cursor is None:
        raise BadMessage("bad-field", "'cursor' must hold a feed number.")
    return Ack(seq=cursor.seq, held_seconds=fields.number("heldMs", maximum=60_000) / 1000)


def _ping(fields: _Fields) -> Ping:
    return Ping()


def _chat(fields: _Fields) -> Chat:
    message = Chat(
        ref=fields.string("ref", max_characters=_MAX_REF),
        text=fields.string("text", max_characters=MAX_MESSAGE_BYTES, is_required=True),
        context=fields.string("targetContext", max_characters=2 * _MAX_NAME),
    )
    fields.refuse_others()
    return message


def _chat_answer(fields: _Fields) -> ChatAnswer:
    decision = fields.string("decision", max_characters=_MAX_ID, is_required=True)
    if decision not in ("approve", "deny"):
        raise BadMessage("bad-field", "'decision' must be approve or deny.")
    message = ChatAnswer(
        ref=fields.string("ref", max_characters=_MAX_REF),
        approval=fields.string("approval", max_characters=_MAX_ID, is_required=True),
        is_yes=decision == "approve",
    )
    fields.refuse_others()
    return message


def _chat_stop(fields: _Fields) -> ChatStop:
    message = ChatStop(
        ref=fields.string("ref", max_characters=_MAX_REF),
        turn=fields.string("turn", max_characters=_MAX_ID, is_required=True),
    )
    fields.refuse_others()
    return message


def _chat_retry(fields: _Fields) -> ChatRetry:
    message = ChatRetry(
        ref=fields.string("ref", max_characters=_MAX_REF),
        turn=fields.string("turn", max_characters=_MAX_ID, is_required=True),
    )
    fields.refuse_others()
    return message


def _chat_fix(fields: _Fields) -> ChatFix:
    message = ChatFix(
        ref=fields.string("ref", max_characters=_MAX_REF),
        turn=fields.string("turn", max_characters=_MAX_ID, is_required=True),
        number=fields.whole_number("fix", maximum=_MAX_FIXES),
    )
    fields.refuse_others()
    return message


_READERS: Mapping[str, Callable[[_Fields], ClientMessage]] = {
    "AUTH": _auth,
    "SUBSCRIBE": _subscribe,
    "UNSUBSCRIBE": _unsubscribe,
    "CONTROL": _control,
    "RUN": _run,
    "ACK": _ack,
    "PING": _ping,
    "CHAT": _chat,
    "CHAT_ANSWER": _chat_answer,
    "CHAT_STOP": _chat_stop,
    "CHAT_RETRY": _chat_retry,
    "CHAT_FIX": _chat_fix,
}
