"""Login, logout, one-time login link, password.

Template contexts: registration/login.html has `form` and `next`; registration/login_link.html has `token` and
`is_usable`; registration/set_password.html has `form`, `next`, `can_skip` and `has_password`.
"""

from __future__ import annotations

import time

from django.conf import settings
from django.contrib.auth import login, logout, update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from dashboard.accounts import links
from dashboard.accounts.forms import LoginForm
from dashboard.methods import only

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
        _open_session(request, form.get_user())
        return redirect(target)
    status = 429 if form.has_error("__all__", code="throttled") else 200
    return render(request, "registration/login.html", {"form": form, "next": target}, status=status)


@only("POST")
def logout_page(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("dashboard:login")


@never_cache
@only("GET", "POST")
def login_link(request: HttpRequest) -> HttpResponse:
    """GET shows a button and changes nothing; POST uses up the link, logs in and offers to set a password."""
    if request.method == "GET":
        token = request.GET.get("token", "")
        is_usable = links.is_usable(token)
        context = {"token": token if is_usable else "", "is_usable": is_usable}
        return render(request, "registration/login_link.html", context, status=200 if is_usable else 410)
    user = links.consume(request.POST.get("token", ""))
    if user is None:
        return render(request, "registration/login_link.html", {"token": "", "is_usable": False}, status=410)
    _open_session(request, user)
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
    form_class = PasswordChangeForm if user.has_usable_password() and not is_link_login else SetPasswordForm
    form = form_class(user, request.POST if request.method == "POST" else None)
    target = _next_url(request)
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, user)
        request.session.pop(_LINK_LOGIN_AT, None)
        return redirect(target)
    context = {"form": form, "next": target, "can_skip": is_link_login, "has_password": user.has_usable_password()}
    return render(request, "registration/set_password.html", context)


def _open_session(request: HttpRequest, user: User) -> None:
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
