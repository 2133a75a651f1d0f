"""Access control of the REST API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:  # Circular at run time: DRF's views load these classes from the settings.
    from rest_framework.views import APIView

from dashboard.accounts import tokens
from dashboard.models import ApiToken
from dashboard.rights import Right, Role, may, role_of


class HasRight(BasePermission):
    """Views declare the right of each method in `rights`; any other method is refused."""

    message = "Your role does not allow this."
    code = "forbidden"

    def has_permission(self, request: Request, view: APIView) -> bool:
        rights: Mapping[str, Right] = getattr(view, "rights", {})
        method = "GET" if request.method == "HEAD" else request.method or ""
        right = rights.get(method)
        if getattr(view, "acts_with_owners_rights", False) and method != "GET" and has_own_role(request):
            return False
        return right is not None and may(role_in(request), right)


def role_in(request: Request) -> Role:
    """The role of the request's user, or of the API token that it was made with."""
    return tokens.role_with(request.auth) if isinstance(request.auth, ApiToken) else role_of(request.user)


def has_own_role(request: Request) -> bool:
    """Whether the request was made with an API token whose role is not simply its user's."""
    return isinstance(request.auth, ApiToken) and bool(request.auth.role)
