"""Answers that the site gives before Django sees a request: in the API's form below `/api/`, else as text."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from django.utils.encoding import iri_to_uri

access_logger = logging.getLogger("agentflow.access")

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


async def refuse(
    scope: Scope, send: Send, status: int, code: str, message: str, more_headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    is_api = scope["path"].startswith("/api/")
    error = {"error": {"code": code, "message": message, "field": None}}
    body = (json.dumps(error) if is_api else f"{message}\n").encode()
    kind = b"application/json" if is_api else b"text/plain; charset=utf-8"
    headers = [(b"Content-Type", kind), (b"Content-Length", str(len(body)).encode()), (b"Cache-Control", b"no-store")]
    headers.extend(more_headers)
    # Imported late: the settings read a limit of a module that imports this one.
    from dashboard.accounts.address import scope_address

    path = iri_to_uri(scope["path"][:500])
    access_logger.info("%s %s %d from=%s", scope["method"], path, status, scope_address(scope))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def without_nul(application: Application) -> Application:
    """Answers a URL with a NUL character with 400: no page or route has one, and PostgreSQL refuses it in a query."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if "\x00" in scope["path"] or b"%00" in scope["query_string"] or b"\x00" in scope["query_string"]:
            await refuse(scope, send, 400, "bad-url", "The URL contains a NUL character.")
        else:
            await application(scope, receive, send)

    return guard
