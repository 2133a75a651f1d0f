"""docs/websocket.md, client messages: parsed strictly, and any mistake is one typed error."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.live.messages import (
    Ack,
    Auth,
    BadMessage,
    Chat,
    ChatAnswer,
    ChatFix,
    ChatRetry,
    ChatStop,
    Control,
    Cursor,
    Ping,
    Run,
    Subscribe,
    Unsubscribe,
    parse,
)
from nodes.domain.commands import TaskSpec
from nodes.domain.states import Action


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"type": "AUTH", "token": "t"}, Auth(token="t")),
        ({"type": "AUTH", "token": "t", "batch": True, "later": 1}, Auth(token="t", is_batching=True)),
        ({"type": "SUBSCRIBE", "topics": ["tasks", "tasks"]}, Subscribe(topics=("tasks", "tasks"))),
        (
            {"type": "SUBSCRIBE", "topics": ["logs:m-1:ERROR"], "since": {"store": "s", "seq": "9007199254740993"}},
            Subscribe(topics=("logs:m-1:ERROR",), since=Cursor(store="s", seq="9007199254740993")),
        ),
        ({"type": "UNSUBSCRIBE", "topics": ["task:t1"]}, Unsubscribe(topics=("task:t1",))),
        (
            {"type": "CONTROL", "ref": "r", "task": "t1", "action": "input", "input": "é", "closeInput": True},
            Control(ref="r", task="t1", action=Action.INPUT, input="é", close_input=True),
        ),
        (
            {
                "type": "RUN",
                "ref": "r",
                "project": "p",
                "node": "",
                "name": "n",
                "argv": ["a", ""],
                "timeoutSeconds": 2,
            },
            Run(ref="r", project="p", name="n", argv=("a", ""), timeout_seconds=2.0),
        ),
        ({"type": "ACK", "cursor": "12"}, Ack(cursor="12")),
        (
            {"type": "ACK", "cursor": {"store": "s", "seq": "12"}, "heldMs": 250},
            Ack(cursor=Cursor(store="s", seq="12"), held_ms=250),
        ),
        ({"type": "PING"}, Ping()),
        ({"type": "CHAT", "text": "hi", "targetContext": "*:*"}, Chat(ref="", text="hi", context="*:*")),
        (
            {"type": "CHAT_ANSWER", "ref": "r", "approval": "a1", "decision": "deny"},
            ChatAnswer(ref="r", approval="a1", decision="deny"),
        ),
        ({"type": "CHAT_STOP", "turn": "t1"}, ChatStop(ref="", turn="t1")),
        ({"type": "CHAT_RETRY", "turn": "t1"}, ChatRetry(ref="", turn="t1")),
        ({"type": "CHAT_FIX", "turn": "t1", "fix": 2, "ref": "r"}, ChatFix(ref="r", turn="t1", number=2)),
    ],
)
def test_good_messages(message: dict[str, Any], expected: object) -> None:
    assert parse(json.dumps(message)) == expected


def test_null_counts_as_missing() -> None:
    assert parse('{"type":"SUBSCRIBE","topics":["tasks"],"since":null}') == Subscribe(topics=("tasks",))


def test_equal_positions_are_equal_in_every_form() -> None:
    sent = [Subscribe(topics=("tasks",), since=since).start for since in ("12", 12, Cursor(store="", seq="012"))]

    assert sent == [Cursor(store="", seq=12)] * 3
    assert Ack(cursor="12").seq == 12
    assert Subscribe(topics=("tasks",)).start is None


def test_a_run_has_the_fields_of_its_spec() -> None:
    message = parse('{"type":"RUN","ref":"r","argv":["a"],"timeoutSeconds":2}')

    assert isinstance(message, Run)
    assert message.spec == TaskSpec(argv=("a",), timeout_seconds=2.0)


def test_a_token_is_not_shown() -> None:
    assert "secret" not in repr(Auth(token="secret"))


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"type": "RUN", "argv": ["a", 5]}, "argv.1: expected a text of at most 65536 characters"),
        ({"type": "RUN", "argv": ["a"], "environment": {"A": 1}}, "environment.A: expected a text"),
        ({"type": "RUN", "argv": ["a"], "environment": {"A=B": "1"}}, "environment: variable names must not"),
        ({"type": "RUN", "argv": ["a"] * 1001}, "argv: expected a list of at most 1000 entries"),
        (
            {"type": "RUN", "argv": ["a"], "timeoutSeconds": 10**9},
            "timeoutSeconds: expected a number from 0 to 31622400",
        ),
        ({"type": "RUN", "argv": ["a"], "timoutSeconds": 5}, "timoutSeconds: unknown field"),
        ({"type": "RUN", "argv": ["a"], "": 5}, ": unknown field"),
        ({"type": "CHAT_STOP", "x" * 100: 5}, "x" * 64 + ": unknown field"),
        (
            {"type": "CONTROL", "task": "t", "action": "explode"},
            "action: expected one of pause, resume, cancel, input, retry",
        ),
        ({"type": "CHAT_FIX", "turn": "t", "fix": 4}, "fix: expected a whole number from 1 to 3"),
        ({"type": "CHAT_STOP"}, "turn: this field is required"),
        ({"type": "CHAT_STOP", "turn": ""}, "turn: expected a text of 1 to 64 characters"),
        ({"type": "SUBSCRIBE", "topics": ["tasks", "nope"]}, "topics.1: unknown topic"),
        ({"type": "SUBSCRIBE", "topics": []}, "topics: expected a list of 1 to 50 entries"),
        ({"type": "SUBSCRIBE", "topics": ["tasks"], "since": {"store": "s"}}, "since: expected a position"),
        ({"type": "AUTH", "token": "t", "batch": 1}, "batch: expected true or false"),
    ],
)
def test_the_error_names_the_field_and_what_it_accepts(message: dict[str, Any], words: str) -> None:
    with pytest.raises(BadMessage) as bad:
        parse(json.dumps(message))

    assert words in str(bad.value)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "AUTH"}, "bad-field"),
        ({"type": "AUTH", "token": 5}, "bad-field"),
        ({"type": "AUTH", "token": "t", "batch": "yes"}, "bad-field"),
        ({"type": ["AUTH"]}, "unknown-type"),
        ({}, "unknown-type"),
        ({"type": "SUBSCRIBE", "topics": []}, "bad-field"),
        ({"type": "SUBSCRIBE", "topics": "tasks"}, "bad-field"),
        ({"type": "SUBSCRIBE", "topics": ["tasks"] * 51}, "bad-field"),
        ({"type": "SUBSCRIBE", "topics": ["logs:n:LOUD"]}, "bad-topic"),
        ({"type": "SUBSCRIBE", "topics": ["task:"]}, "bad-topic"),
        ({"type": "SUBSCRIBE", "topics": ["tasks"], "since": {"seq": "1"}}, "bad-field"),
        ({"type": "SUBSCRIBE", "topics": ["tasks"], "since": {"store": "s", "seq": "-1"}}, "bad-field"),
        ({"type": "SUBSCRIBE", "topics": ["tasks"], "since": {"store": "s", "seq": "²"}}, "bad-field"),
        ({"type": "CONTROL", "task": "t1", "action": "explode"}, "bad-field"),
        ({"type": "CONTROL", "task": "", "action": "pause"}, "bad-field"),
        ({"type": "CONTROL", "task": "t1", "action": "pause", "extra": 1}, "unknown-field"),
        ({"type": "RUN", "argv": ["true"], "timoutSeconds": 5}, "unknown-field"),
        ({"type": "RUN", "argv": ["true"], "timeoutSeconds": -1}, "bad-field"),
        ({"type": "RUN", "argv": ["true"], "timeoutSeconds": True}, "bad-field"),
        ({"type": "RUN", "argv": ["true"], "shellLine": "true"}, "bad-field"),
        ({"type": "RUN", "project": "p"}, "bad-field"),
        ({"type": "RUN", "argv": ["a\0b"]}, "bad-field"),
        ({"type": "RUN", "argv": ["a"], "environment": {"A": 1}}, "bad-field"),
        ({"type": "RUN", "argv": ["a"], "environment": {"A=B": "1"}}, "bad-field"),
        ({"type": "ACK"}, "bad-field"),
        ({"type": "ACK", "cursor": 1.5}, "bad-field"),
        ({"type": "CHAT"}, "bad-field"),
        ({"type": "CHAT", "text": ""}, "bad-field"),
        ({"type": "CHAT", "text": "hi", "context": "*:*"}, "unknown-field"),
        ({"type": "CHAT_ANSWER", "approval": "a1"}, "bad-field"),
        ({"type": "CHAT_ANSWER", "approval": "a1", "decision": "yes"}, "bad-field"),
        ({"type": "CHAT_ANSWER", "approval": "a1", "decision": "approve", "arguments": {}}, "unknown-field"),
        ({"type": "CHAT_STOP"}, "bad-field"),
        ({"type": "CHAT_RETRY", "turn": 5}, "bad-field"),
        ({"type": "CHAT_FIX", "turn": "t1"}, "bad-field"),
        ({"type": "CHAT_FIX", "turn": "t1", "fix": "1"}, "bad-field"),
        ({"type": "CHAT_FIX", "turn": "t1", "fix": True}, "bad-field"),
        ({"type": "CHAT_FIX", "turn": "t1", "fix": 4}, "bad-field"),
        ({"type": "CHAT_FIX", "turn": "t1", "fix": 1, "text": "y"}, "unknown-field"),
    ],
)
def test_bad_messages_have_a_code_and_keep_the_ref(message: dict[str, Any], code: str) -> None:
    with pytest.raises(BadMessage) as bad:
        parse(json.dumps({**message, "ref": "r7"}))

    assert (bad.value.code, bad.value.ref) == (code, "r7")


@pytest.mark.parametrize("text", ["", "{", "nul", '{"type":"PING"', "[" * 5000, '{"a":"\\ud800"}', "NaN"])
def test_messages_that_are_not_json(text: str) -> None:
    with pytest.raises(BadMessage) as bad:
        parse(text)

    assert bad.value.code in ("not-json", "not-object")


VALUES = st.sampled_from(
    [
        *(None, True, -1, 0, 1, 1.5, float("inf"), 2**70),
        *("", "x", "9", "\0"),
        *([], ["a"], [1], [["a"]], {}, {"a": "b"}, {"a": 1}),
        *({"store": "s", "seq": "1"}, {"store": 1, "seq": "1"}, {"store": "s", "seq": "9" * 30}),
    ]
)
NAMES = [
    "",
    "x" * 100,
    "topics",
    "since",
    "ref",
    "task",
    "action",
    "input",
    "argv",
    "environment",
    "cursor",
    "token",
    "timeoutSeconds",
]


@given(
    kind=st.sampled_from(
        [
            "AUTH",
            "SUBSCRIBE",
            "UNSUBSCRIBE",
            "CONTROL",
            "RUN",
            "ACK",
            "PING",
            "CHAT",
            "CHAT_ANSWER",
            "CHAT_STOP",
            "CHAT_RETRY",
            "CHAT_FIX",
        ]
    ),
    fields=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4),
)
def test_only_bad_message_is_raised(kind: str, fields: dict[str, Any]) -> None:
    with contextlib.suppress(BadMessage):
        parse(json.dumps({**fields, "type": kind}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=400)
@given(st.one_of(st.text(max_size=100), JSON.map(json.dumps), st.integers(900, 3000).map(lambda depth: "[" * depth)))
def test_any_text_is_a_message_or_a_bad_one(text: str) -> None:
    with contextlib.suppress(BadMessage):
        parse(text)
