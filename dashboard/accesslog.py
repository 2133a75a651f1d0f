"""Logs one line per request and two per socket, with any server: method, path, status, milliseconds, user, address.

The query is left out, because it may contain the token of a one-time login link.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponseBase
from django.utils.encoding import iri_to_uri

from dashboard.accounts.address import client_address, scope_address

logger = logging.getLogger("agentflow.access")

_LONGEST_PATH = 500
_CLIENT_WENT_AWAY = 499  # Never sent: the client has disconnected.


class AccessLogMiddleware:
    """The outermost middleware. Supports sync and async, so it never costs an extra thread."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._call_async(request)
        began_mono = time.monotonic()
        response: HttpResponseBase = self._get_response(request)
        _write(request, response.status_code, began_mono)
        return response

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        began_mono = time.monotonic()
        try:
            response: HttpResponseBase = await self._get_response(request)
        except asyncio.CancelledError:
            _write(request, _CLIENT_WENT_AWAY, began_mono)
            raise
        _write(request, response.status_code, began_mono)
        return response


def _write(request: HttpRequest, status: int, began_mono: float) -> None:
    logger.info(
        "%s %s %d %dms user=%s from=%s",
        request.method,
        iri_to_uri(request.path[:_LONGEST_PATH]),  # Percent-encoded, so that a path cannot forge a second log line.
        status,
        round((time.monotonic() - began_mono) * 1000),
        _user_name(request),
        client_address(request),
    )


def log_socket(scope: Mapping[str, Any], action: str) -> None:
    """`action`: "connected", "rejected" or "disconnected"."""
    logger.info("WS %s %s from=%s", iri_to_uri(scope["path"][:_LONGEST_PATH]), action, scope_address(scope))


def _user_name(request: HttpRequest) -> str:
    """The user, if the request has loaded one. Never loads it: that could be a query on the event loop."""
    known = (request.__dict__.get(name) for name in ("user", "_cached_user", "_acached_user"))
    # Not isinstance: it would make a lazy user load.
    user = next((user for user in known if type(user) is User), None)
    if user is None:
        return "-"
    return "".join(letter if letter.isprintable() and letter != " " else "?" for letter in user.username)
