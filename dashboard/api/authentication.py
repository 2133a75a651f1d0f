"""Who calls the REST API: a program with `Authorization: Bearer <API token>`, or a browser with its session."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.http import HttpResponse
from rest_framework.authentication import BaseAuthentication, CSRFCheck, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.request import Request

from dashboard.accounts import tokens
from dashboard.accounts.address import client_address
from dashboard.csrf import explained
from dashboard.models import ApiToken
from nodes.bearer import token_of
from nodes.domain.access import AccessKind


class BearerAuthentication(BaseAuthentication):
    """Refuses a malformed header instead of ignoring it, so that a program never falls back to a session."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        header = request.headers.get("Authorization", "")
        if not header:
            return None
        try:
            row = tokens.checked(AccessKind.API_TOKEN, token_of(header), client_address(request), tokens.verify)
        except tokens.TooManyTokens as exc:
            raise Throttled(exc.wait_seconds) from exc
        if row is None:
            raise AuthenticationFailed("The API token is wrong, expired or revoked.", code="bad-token")
        return row.user, row

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="AgentFlow"'


class SessionWithOrigin(SessionAuthentication):
    """A browser's session; a refused Origin is named together with the expected one."""

    def enforce_csrf(self, request: Request) -> None:
        check = CSRFCheck(lambda inner: HttpResponse())
        check.process_request(request)
        reason = check.process_view(request, lambda inner: HttpResponse(), (), {})
        if reason:
            raise PermissionDenied(explained(request, str(reason)))
