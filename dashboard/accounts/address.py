"""The client's address of a request or a socket: for the access log, the audit and the limits."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from nodes.addresses import client_of, is_proxy

logger = logging.getLogger(__name__)


def client_address(request: HttpRequest) -> str:
    return _client(str(request.META.get("REMOTE_ADDR") or ""), request.headers.get("X-Forwarded-For", ""))


def scope_address(scope: Mapping[str, Any]) -> str:
    """The same for an ASGI scope."""
    forwarded = ",".join(value.decode("latin1") for name, value in scope["headers"] if name == b"x-forwarded-for")
    return _client(str((scope.get("client") or [""])[0]), forwarded)


def _client(peer: str, forwarded_for: str) -> str:
    if settings.BEHIND_HTTPS_PROXY and forwarded_for and not is_proxy(peer, settings.TRUSTED_PROXIES):
        _warn_of_proxy()
    return client_of(peer, forwarded_for, settings.TRUSTED_PROXIES)


@cache  # Once per process: anybody can send the header.
def _warn_of_proxy() -> None:
    logger.warning("X-Forwarded-For is ignored: the sender is not in AGENTFLOW_TRUSTED_PROXIES")
