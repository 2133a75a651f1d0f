"""Authentication of the live socket: a short-lived ticket that the page fetches, or a program's API token.

A ticket is valid for a minute and bound to one user and one login session. Scripts on the page can read it, so the
session key inside is encrypted. `recheck` reads a viewer's role from the database again.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from importlib import import_module

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.core import signing
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from dashboard.accounts import tokens
from dashboard.rights import Role, role_of
from nodes import audit
from nodes.domain.access import AccessKind, AccessResult

TICKET_SECONDS = 60
_SALT = "agentflow.dashboard.ticket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """The user of a socket. Exactly one of `session_key` and `token_id` is set."""

    user_id: int
    username: str
    role: Role  # At the time of the check.
    session_key: str = field(default="", repr=False)
    token_id: int | None = None
    may_converse: bool = True  # False for a token with a role of its own: a conversation acts with its user's.

    @property
    def is_program(self) -> bool:
        """Authenticated by an API token. A foreign site cannot make a browser send one, so no Origin is needed."""
        return self.token_id is not None


def issue_ticket(request: HttpRequest) -> str:
    """A ticket for the request's logged-in user. Raises ValueError if nobody is logged in."""
    session_key = request.session.session_key
    if not isinstance(request.user, User) or not session_key:
        raise ValueError("a ticket needs a logged-in user")
    secret = _cipher().encrypt(session_key.encode()).decode()
    return signing.dumps([request.user.pk, secret], salt=_SALT)


def authenticate(token: str, address: str = "") -> Viewer | None:
    """The viewer of a ticket or an API token; None if it is invalid. `address`: the client's.

    Raises `tokens.TooManyTokens` for an API token only: checking a ticket costs no query unless it is ours, and a page
    must not be affected by what others at its address do.
    """
    if not isinstance(token, str) or len(token) > 2048 or not token.isascii():
        token = ""
    if token.startswith(tokens.TOKEN_PREFIX):
        return tokens.checked(AccessKind.API_TOKEN, token, address, _from_api_token)
    viewer = _from_ticket(token)
    if viewer is None:
        reason = "unknown or expired, or its session has ended"
        audit.note_refusal(AccessKind.LIVE_TICKET, address=address, result=AccessResult.REFUSED, reason=reason)
    return viewer


def recheck(viewer: Viewer) -> Role:
    """The viewer's current role; NOBODY if the user is deactivated, the session has ended or the token is not valid."""
    user = User.objects.filter(pk=viewer.user_id, is_active=True).first()
    if user is None:
        return Role.NOBODY
    if viewer.token_id is not None:
        row = tokens.valid().select_related("user").filter(pk=viewer.token_id, user=user).first()
        return tokens.role_with(row) if row is not None else Role.NOBODY
    return role_of(user) if _session_is_open(viewer.session_key, user) else Role.NOBODY


def _from_api_token(token: str) -> Viewer | None:
    row = tokens.verify(token)
    if row is None:
        return None
    role = tokens.role_with(row)
    if role is Role.NOBODY:
        return None
    return Viewer(
        user_id=row.user.pk,
        username=row.user.get_username(),
        role=role,
        token_id=row.pk,
        may_converse=not row.role,
    )


def _from_ticket(token: str) -> Viewer | None:
    try:
        user_id, secret = signing.loads(token, salt=_SALT, max_age=TICKET_SECONDS)
        session_key = _cipher().decrypt(secret.encode()).decode()
    except (signing.BadSignature, InvalidToken):
        return None
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or not _session_is_open(session_key, user):
        return None
    role = role_of(user)
    if role is Role.NOBODY:
        return None
    return Viewer(user_id=user.pk, username=user.get_username(), role=role, session_key=session_key)


def _session_is_open(session_key: str, user: User) -> bool:
    """Whether the session exists, belongs to this user, and was not ended by a password change."""
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    if session.get(SESSION_KEY) != str(user.pk) or BACKEND_SESSION_KEY not in session:
        return False
    return constant_time_compare(session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())


def _cipher() -> Fernet:
    key = hashlib.blake2b(settings.SECRET_KEY.encode(), digest_size=32, person=b"agentflow.ticket").digest()
    return Fernet(base64.urlsafe_b64encode(key))
