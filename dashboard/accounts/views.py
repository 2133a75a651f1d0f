"""Login, logout, one-time login link, password.

Template contexts: registration/login.html has `form` and `next`; registration/login_link.html has `token` and
`is_usable`; registration/set_password.html has `form`, `next`, `can_skip` and `has_password`.
"""

from __future__ import annotations

import time

from django.conf import settings
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from dashboard.accounts import links
from dashboard.accounts.address import client_address
from dashboard.accounts.forms import LoginForm, NotChecked, OldPasswordForm
from dashboard.accounts.tokens import TooManyTokens, checked
from dashboard.methods import only
from nodes import audit
from nodes.domain.access import AccessKind

_MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"
# Time of the login with a link; for a while the user may set a password without the old one.
_LINK_LOGIN_AT = "agentflow_link_login_at"


@never_cache
@sensitive_post_parameters("password")
@only("GET", "POST")
def login_page(request: HttpRequest) -> HttpResponse:
    target = _next_url(request)
    if request.method == "GET":
        if request.user.is_authenticated:
            return redirect(target)
        return render(request, "registration/login.html", {"form": LoginForm(request), "next": target})
    form = LoginForm(request, data=request.POST)
    if form.is_valid():
        _open_session(request, form.get_user(), AccessKind.LOGIN)
        return redirect(target)
    return _with_status(render(request, "registration/login.html", {"form": form, "next": target}), form.not_checked)


@only("POST")
def logout_page(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("dashboard:login")


@never_cache
@only("GET", "POST")
def login_link(request: HttpRequest) -> HttpResponse:
    """GET shows a button and changes nothing; POST uses up the link, logs in and offers to set a password."""
    address = client_address(request)
    token = request.GET.get("token", "") if request.method == "GET" else request.POST.get("token", "")
    find = links.user_of if request.method == "GET" else links.consume
    try:
        user = checked(AccessKind.LOGIN_LINK, token, address, find) if token else None
    except TooManyTokens as exc:
        response = render(request, "registration/login_link.html", {"token": "", "is_usable": False}, status=429)
        response["Retry-After"] = str(exc.wait_seconds)
        return response
    if user is None:
        return render(request, "registration/login_link.html", {"token": "", "is_usable": False}, status=410)
    if request.method == "GET":
        return render(request, "registration/login_link.html", {"token": token, "is_usable": True})
    _open_session(request, user, AccessKind.LOGIN_LINK)
    request.session[_LINK_LOGIN_AT] = time.time()
    return redirect("dashboard:set-password")


@never_cache
@sensitive_post_parameters()
@only("GET", "POST")
def set_password(request: HttpRequest) -> HttpResponse:
    """The logged-in user's own password; needs no role. A change ends the user's other sessions."""
    user = request.user
    if not isinstance(user, User):
        return redirect(f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': request.path})}")
    is_link_login = _came_by_link(request)
    posted = request.POST if request.method == "POST" else None
    needs_old = user.has_usable_password() and not is_link_login
    form = OldPasswordForm(request, user, posted) if needs_old else SetPasswordForm(user, posted)
    target = _next_url(request)
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, user)
        request.session.pop(_LINK_LOGIN_AT, None)
        return redirect(target)
    context = {"form": form, "next": target, "can_skip": is_link_login, "has_password": user.has_usable_password()}
    response = render(request, "registration/set_password.html", context)
    return _with_status(response, form.not_checked if isinstance(form, OldPasswordForm) else None)


def _with_status(response: HttpResponse, not_checked: NotChecked | None) -> HttpResponse:
    if not_checked is not None:
        response.status_code = not_checked.status
        response["Retry-After"] = str(not_checked.wait_seconds)
    return response


def _open_session(request: HttpRequest, user: User, kind: AccessKind) -> None:
    # First: nobody gets in without a trace.
    audit.record(kind, actor=user.get_username(), address=client_address(request))
    login(request, user, backend=_MODEL_BACKEND)
    # Deletes expired sessions here, because logins are rare.
    Session.objects.filter(expire_date__lt=timezone.now()).delete()


def _came_by_link(request: HttpRequest) -> bool:
    opened_at = request.session.get(_LINK_LOGIN_AT)
    return isinstance(opened_at, float) and 0 <= time.time() - opened_at < links.LINK_LIFE.total_seconds()


def _next_url(request: HttpRequest) -> str:
    """The page after the login; never another site's address."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    return asked if asked and is_ours else resolve_url(settings.LOGIN_REDIRECT_URL)
