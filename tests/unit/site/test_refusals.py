"""What the site refuses before Django sees it, under any ASGI server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agentflow_site.refusals import without_nul


async def answered(path: str, query: bytes = b"") -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def receive() -> dict[str, Any]:
        raise AssertionError("a refused request is not read")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": [], "client": None}
    await without_nul(application)(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("path", "query"),
    [("/tasks/a\x00b/", b""), ("/tasks/", b"text=a%00b"), ("/nodes/", b"state=\x00"), ("/admin/x/", b"q=%00")],
)
async def test_a_url_with_nul_is_refused(path: str, query: bytes) -> None:
    start, body = await answered(path, query)

    assert start["status"] == 400
    assert body["body"] == b"The URL contains a NUL character.\n"


async def test_the_api_answers_in_its_own_form() -> None:
    start, body = await answered("/api/v1/tasks/\x00/")

    assert start["status"] == 400
    assert json.loads(body["body"])["error"]["code"] == "bad-url"


@pytest.mark.parametrize("query", [b"", b"text=100%2500", b"text=%000a"[:6]])
async def test_other_urls_pass(query: bytes) -> None:
    assert [message["status"] for message in await answered("/tasks/", query)] == [200]
