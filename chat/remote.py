"""The encoding of `ChatPort` for separate web processes: no other code handles these requests as bytes.

Both sides use `ChatPort`. A request is sent as {"<name of its class>": {its fields}}, an answer as {its fields}. Both
processes must declare the same fields; anything else comes from another version and is refused with a message.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar, get_type_hints

from chat.ports import ChatPort
from nodes.errors import OtherVersion, TaskRejected

# Name of the Leader's side in the fleet's gateway.
SERVICE = "chat"

Q = TypeVar("Q")
R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    method: str
    request: type[Any]
    answer: type[Any]


def _declared(port: type[Any]) -> Mapping[str, _Call]:
    """Calls by the name of the request's class."""
    found = {}
    for name, method in vars(port).items():
        if inspect.iscoroutinefunction(method):
            types = get_type_hints(method)
            found[types["request"].__name__] = _Call(method=name, request=types["request"], answer=types["return"])
    return found


_CALLS = _declared(ChatPort)


class RemoteChat:
    """Implements `ChatGateway` in a web process. `send` takes a service's name and the bytes, and blocks."""

    def __init__(self, send: Callable[[str, bytes], bytes]) -> None:
        self._send = send

    def ask(self, request: Q, _call: Callable[[ChatPort, Q], Coroutine[Any, Any, R]], /) -> R:
        name = type(request).__name__
        body = self._send(SERVICE, _encode({name: _fields(request)}))
        answer: R = _decode(_CALLS[name].answer, _object(body))
        return answer


def answering(chat: ChatPort) -> Callable[[bytes], Awaitable[bytes]]:
    """The Leader's side: a handler for the bytes of `RemoteChat`."""

    async def answer(body: bytes) -> bytes:
        asked = _object(body)
        name = next(iter(asked), "")
        if len(asked) != 1 or name not in _CALLS:
            raise OtherVersion
        call = _CALLS[name]
        request = _decode(call.request, asked[name])
        if any(isinstance(value, str) and "\x00" in value for value in _fields(request).values()):
            raise TaskRejected("invalid", "The request contains a NUL character.")
        return _encode(_fields(await getattr(chat, call.method)(request)))

    return answer


def _fields(value: Any) -> dict[str, Any]:
    return asdict(value)


def _encode(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields).encode()


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError as exc:
        raise OtherVersion from exc
    if not isinstance(found, dict):
        raise OtherVersion
    return found


def _decode(kind: type[T], fields: object) -> T:
    """Decodes exactly the fields that the class declares. Raises `OtherVersion`."""
    types = get_type_hints(kind)
    if not isinstance(fields, dict) or {name: type(value) for name, value in fields.items()} != types:
        raise OtherVersion
    return kind(**fields)
