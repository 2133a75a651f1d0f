"""API tokens for programs. Only the hash is stored; the token itself is shown once.

A token has 256 random bits, so a plain SHA-256 is enough, and looking it up by its hash leaks nothing.
"""

from __future__ import annotations

import hashlib
import logging
import math
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from django.contrib.auth.models import User
from django.db import OperationalError
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from dashboard.models import ApiToken
from dashboard.rights import Role, role_of
from nodes import audit
from nodes.addresses import source_of
from nodes.domain.access import AccessKind, AccessResult
from nodes.limits import TokenLimits

logger = logging.getLogger(__name__)

T = TypeVar("T")

TOKEN_PREFIX = "aft_"  # noqa: S105  # Public: lets secret scanners find a leaked token.
SHOWN_CHARACTERS = 12
DEFAULT_DAYS = 90
# Precise enough to find unused tokens; a finer one would cost a database write per request.
LAST_USED_GRAIN = timedelta(hours=1)


# Of this process: wrong tokens cost it time, but nobody can guess one.
token_limits = TokenLimits()


class TooManyTokens(Exception):
    """Too many wrong tokens from this address, so this one was not checked."""

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(wait_seconds)
        self.wait_seconds = math.ceil(wait_seconds)


def checked(kind: AccessKind, token: str, address: str, find: Callable[[str], T | None]) -> T | None:
    """What `find` returns for the token; None if it is wrong, which is audited. Raises `TooManyTokens`."""
    source = source_of(address)
    if wait_seconds := token_limits.wait_seconds(source, token):
        audit.note_refusal(kind, address=address, result=AccessResult.LIMITED)
        raise TooManyTokens(wait_seconds)
    found = find(token)
    if found is None:
        token_limits.refused(source, token)
        audit.note_refusal(kind, address=address, result=AccessResult.REFUSED, reason="unknown, expired or revoked")
    else:
        token_limits.accepted(token)
    return found


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def issue(user: User, *, name: str, role: Role | None = None, days: int = DEFAULT_DAYS) -> tuple[ApiToken, str]:
    """Creates a token and returns its row with the token itself, which is not stored. `role` limits its user's."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    row = ApiToken.objects.create(
        user=user,
        name=name,
        role=role or "",
        prefix=token[:SHOWN_CHARACTERS],
        digest=digest(token),
        expires_at=timezone.now() + timedelta(days=days),
    )
    return row, token


def verify(token: str) -> ApiToken | None:
    """The token's row, or None if the token is unknown, expired or revoked or its user is inactive."""
    if not token.startswith(TOKEN_PREFIX) or not token.isascii():
        return None
    wanted = digest(token)
    row = valid().select_related("user").filter(digest=wanted).first()
    if row is None or not constant_time_compare(row.digest, wanted):
        return None
    _note_use(row)
    return row


def valid() -> QuerySet[ApiToken]:
    """Tokens that are accepted now."""
    is_fresh = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return ApiToken.objects.filter(is_fresh, revoked_at=None, user__is_active=True)


def role_with(row: ApiToken) -> Role:
    """The current role of the token's user, or the token's own if that is lower."""
    role = role_of(row.user)
    order = list(Role)
    return min(role, Role(row.role), key=order.index) if row.role else role


def revoke(row: ApiToken) -> bool:
    """Revokes a token; False if it is already revoked."""
    return bool(ApiToken.objects.filter(pk=row.pk, revoked_at=None).update(revoked_at=timezone.now()))


def _note_use(row: ApiToken) -> None:
    now = timezone.now()
    if row.last_used_at is not None and now - row.last_used_at < LAST_USED_GRAIN:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - LAST_USED_GRAIN)
    try:
        ApiToken.objects.filter(stale, pk=row.pk).update(last_used_at=now)
    except OperationalError:  # A busy database must not reject a valid token; the next use records it.
        logger.warning("could not record the use of an API token", extra={"token_prefix": row.prefix})
