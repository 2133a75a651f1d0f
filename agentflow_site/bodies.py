"""Enforces the largest body of an HTTP request before Django reads it: its ASGI handler spools without a limit."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.utils.encoding import iri_to_uri

access_logger = logging.getLogger("agentflow.access")

MAX_BODY_BYTES = 1 << 20

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

_MESSAGE = f"The body is larger than {MAX_BODY_BYTES} bytes."


def bounded(application: Callable[..., Awaitable[None]]) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Answers a larger body with 413: by its Content-Length before reading, or as soon as it exceeds the limit."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if _declared_bytes(scope) > MAX_BODY_BYTES:
            await _refuse(scope, send)
            return
        received_bytes = 0

        async def count() -> dict[str, Any]:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            # As if the client had disconnected: the spooled body is dropped, and no view runs.
            return message if received_bytes <= MAX_BODY_BYTES else {"type": "http.disconnect"}

        await application(scope, count, send)
        if received_bytes > MAX_BODY_BYTES:
            await _refuse(scope, send)

    return guard


def _declared_bytes(scope: Scope) -> int:
    """0 = missing or malformed; then counting the bytes enforces the limit."""
    text = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    # No byte count has more than 20 digits, and Python refuses to parse very long ones.
    return int(text[:20]) if text.isdigit() else 0


async def _refuse(scope: Scope, send: Send) -> None:
    is_api = scope["path"].startswith("/api/")
    body = f'{{"error":{{"code":"too-large","message":"{_MESSAGE}","field":null}}}}' if is_api else f"{_MESSAGE}\n"
    kind = b"application/json" if is_api else b"text/plain; charset=utf-8"
    headers = [(b"Content-Type", kind), (b"Content-Length", str(len(body)).encode())]
    # Imported late: the settings read this module's limit.
    from dashboard.accounts.address import scope_address

    access_logger.info("%s %s 413 from=%s", scope["method"], iri_to_uri(scope["path"][:500]), scope_address(scope))
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
