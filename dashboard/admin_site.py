"""Django admin with AgentFlow's roles, login page and password page."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from csp.decorators import csp_replace
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from dashboard.rights import Right, may, request_role

# Django admin's scripts set HTML from strings; the rest of the policy still applies.
WITHOUT_TRUSTED_TYPES = {"require-trusted-types-for": None, "trusted-types": None}


def may_manage(request: HttpRequest) -> bool:
    return request.user.is_authenticated and may(request_role(request), Right.MANAGE)


class AgentFlowAdminSite(admin.AdminSite):
    site_header = _("AgentFlow")
    site_title = _("AgentFlow")
    index_title = _("Fleet and history")
    site_url = "/"
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        """Checks the role instead of Django's staff flag, so that there is only one list of administrators."""
        return may_manage(request)

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, /, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not may_manage(request):
                raise PermissionDenied
            response: HttpResponseBase = inner(request, *args, **kwargs)
            return response

        return update_wrapper(csp_replace(WITHOUT_TRUSTED_TYPES)(guarded), inner)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Redirects to the site's login page, which is throttled, so that Django's own is not a second way in."""
        if request.user.is_authenticated and not may_manage(request):
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next", "/admin/"))

    def password_change(  # type: ignore[override]  # A redirect instead of a page.
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("dashboard:set-password")
