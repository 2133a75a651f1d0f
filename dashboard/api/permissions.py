"""Access control of the REST API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

if TYPE_CHECKING:  # Circular at run time: DRF's views load these classes from the settings.
    from rest_framework.views import APIView

from dashboard.rights import Right, may, role_of


class HasRight(BasePermission):
    """Views declare the right of each method in `rights`; any other method is refused."""

    message = "Your role does not allow this."
    code = "forbidden"

    def has_permission(self, request: Request, view: APIView) -> bool:
        rights: Mapping[str, Right] = getattr(view, "rights", {})
        method = "GET" if request.method == "HEAD" else request.method or ""
        right = rights.get(method)
        return right is not None and may(role_of(request.user), right)
