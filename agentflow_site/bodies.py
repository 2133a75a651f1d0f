"""Enforces the largest body of an HTTP request before Django reads it: its ASGI handler spools without a limit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from agentflow_site.refusals import Receive, Scope, Send, refuse

MAX_BODY_BYTES = 1 << 20

_MESSAGE = f"The body is larger than {MAX_BODY_BYTES} bytes."


def bounded(application: Callable[..., Awaitable[None]]) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Answers a larger body with 413: by its Content-Length before reading, or as soon as it exceeds the limit."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if _declared_bytes(scope) > MAX_BODY_BYTES:
            await refuse(scope, send, 413, "too-large", _MESSAGE)
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
            await refuse(scope, send, 413, "too-large", _MESSAGE)

    return guard


def _declared_bytes(scope: Scope) -> int:
    """0 = missing or malformed; then counting the bytes enforces the limit."""
    text = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    # No byte count has more than 20 digits, and Python refuses to parse very long ones.
    return int(text[:20]) if text.isdigit() else 0
