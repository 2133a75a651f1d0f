"""The port over bytes: each declared call arrives unchanged, and another version gets a clear error."""

from __future__ import annotations

import asyncio
import json
from typing import Any, get_type_hints

import pytest

from chat import ports
from chat.remote import SERVICE, RemoteChat, answering
from nodes.errors import OtherVersion, TaskRejected

VALUES: dict[type, Any] = {str: "暂停 \ud800", int: 7, bool: True}
CALLS = {name: get_type_hints(method) for name, method in vars(ports.ChatPort).items() if name[0] != "_"}


def filled(kind: type) -> Any:
    return kind(**{name: VALUES[field] for name, field in get_type_hints(kind).items()})


class Port:
    """A `ChatPort` that records its calls."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        async def answer(request: Any) -> Any:
            self.asked.append((name, request))
            return filled(CALLS[name]["return"])

        return answer


def send(port: Any, body: object) -> bytes:
    return asyncio.run(answering(port)(json.dumps(body).encode()))


@pytest.mark.parametrize("name", CALLS)
def test_a_call_arrives_unchanged(name: str) -> None:
    port, sent = Port(), []

    def over(service: str, body: bytes) -> bytes:
        sent.append(service)
        return asyncio.run(answering(port)(body))  # type: ignore[arg-type]

    request = filled(CALLS[name]["request"])
    answer = RemoteChat(over).ask(request, lambda chat, request: getattr(chat, name)(request))

    assert port.asked == [(name, request)]
    assert answer == filled(CALLS[name]["return"])
    assert sent == [SERVICE]


GOOD = {"conversation_id": "c", "text": "hi", "actor": "ann"}


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"Unheard": {}},
        {"__init__": {}},
        {"SendMessage": GOOD, "StopTurn": {}},
        {"SendMessage": []},
        {"SendMessage": {**GOOD, "priority": "high"}},
        {"SendMessage": {"text": "hi", "actor": "ann"}},
        {"SendMessage": {**GOOD, "text": 1}},
        {"ApplyFix": {"turn_id": "t", "number": True, "actor": "ann"}},
    ],
    ids=str,
)
def test_requests_of_another_version_get_a_clear_error(body: object) -> None:
    port = Port()

    with pytest.raises(OtherVersion, match="restart them with the same version"):
        send(port, body)
    assert port.asked == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"conversation_id":"c"}', b'{"conversation_id":1,"turn_id":"t"}']
)
def test_replies_of_another_version_give_a_clear_error(body: bytes) -> None:
    request = ports.SendMessage(**GOOD)

    with pytest.raises(OtherVersion):
        RemoteChat(lambda service, asked: body).ask(request, lambda chat, request: chat.send_message(request))


def test_a_request_with_nul_is_refused() -> None:
    port = Port()

    with pytest.raises(TaskRejected, match="NUL"):
        send(port, {"SendMessage": {**GOOD, "conversation_id": "c\x00"}})
    assert port.asked == []
