"""`Authorization: Bearer <API token>`, for programs; browsers use their session."""

from __future__ import annotations

from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from dashboard.accounts import tokens
from dashboard.models import ApiToken
from nodes.bearer import token_of


class BearerAuthentication(BaseAuthentication):
    """Refuses a malformed header instead of ignoring it, so that a program never falls back to a session."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        header = request.headers.get("Authorization", "")
        if not header:
            return None
        row = tokens.verify(token_of(header))
        if row is None:
            raise AuthenticationFailed("The API token is wrong, expired or revoked.", code="bad-token")
        return row.user, row

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="AgentFlow"'
