"""Ways into AgentFlow, as the audit names them, and how an attempt ended."""

from __future__ import annotations

from enum import StrEnum


class AccessKind(StrEnum):
    """What was presented."""

    LOGIN = "login"  # A user name and a password.
    LOGIN_LINK = "login-link"
    API_TOKEN = "api-token"  # noqa: S105  # A program's token, over REST or `/ws/`.
    LIVE_TICKET = "live-ticket"  # A page's ticket for `/ws/`.
    ORIGIN = "origin"  # The address of a page of another site, at `/ws/`.
    NODE_TOKEN = "node-token"  # noqa: S105  # Of a node, or of a separate web process.


class AccessResult(StrEnum):
    OK = "ok"
    REFUSED = "refused"  # Wrong, expired or revoked.
    LIMITED = "limited"  # Not checked, because of too many wrong ones before it.


REFUSALS = (AccessResult.REFUSED, AccessResult.LIMITED)
