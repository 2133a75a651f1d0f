"""The limit on request bodies, under any ASGI server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentflow_site.bodies import MAX_BODY_BYTES, bounded

CHUNK = 64 << 10


class Exchange:
    """One request: sends its body in chunks, keeps the answer."""

    def __init__(self, body_bytes: int, *, path: str = "/", declared: bytes | None = None) -> None:
        headers = [] if declared is None else [(b"content-length", declared)]
        self.scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "client": ("10.0.0.1", 5)}
        self.left_bytes = body_bytes
        self.asked = 0
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        chunk = b"x" * min(CHUNK, self.left_bytes)
        self.left_bytes -= len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": self.left_bytes > 0}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])


class Spooler:
    """Reads to the end, like Django, then answers."""

    body_bytes = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            self.body_bytes += len(message["body"])
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200})


async def exchanged(exchange: Exchange) -> tuple[int, int]:
    """The status, and how many bytes the application received."""
    application = Spooler()
    await bounded(application)(exchange.scope, exchange.receive, exchange.send)
    return exchange.status, application.body_bytes


@pytest.mark.parametrize("declared", [None, str(MAX_BODY_BYTES).encode()])
async def test_the_largest_body_passes(declared: bytes | None) -> None:
    assert await exchanged(Exchange(MAX_BODY_BYTES, declared=declared)) == (200, MAX_BODY_BYTES)


@pytest.mark.parametrize("declared", [str(MAX_BODY_BYTES + 1).encode(), b"9" * 9_000])
async def test_a_body_declared_too_large_is_refused_unread(declared: bytes) -> None:
    exchange = Exchange(MAX_BODY_BYTES + 1, declared=declared)

    assert await exchanged(exchange) == (413, 0)
    assert exchange.asked == 0


@pytest.mark.parametrize("declared", [None, b"10", b"-1", b"ten"])
async def test_a_body_that_grows_too_large_is_refused_while_it_arrives(declared: bytes | None) -> None:
    exchange = Exchange(1 << 30, declared=declared)

    status, given = await exchanged(exchange)

    assert (status, given) == (413, MAX_BODY_BYTES)
    assert exchange.asked == MAX_BODY_BYTES // CHUNK + 1


async def test_a_program_gets_the_refusal_as_json() -> None:
    exchange = Exchange(0, path="/api/v1/tasks", declared=b"2000000")

    await exchanged(exchange)

    assert json.loads(exchange.sent[1]["body"])["error"]["code"] == "too-large"


async def test_the_access_log_has_one_line_for_any_path(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "agentflow.access"):
        await exchanged(Exchange(0, path="/a\nb", declared=b"2000000"))

    assert caplog.messages == ["POST /a%0Ab 413 from=10.0.0.1"]
