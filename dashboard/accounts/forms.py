"""Forms of the account pages. A password that is limited or cannot be checked now is not checked at all.

`wait_seconds` of an invalid form is above 0 then, and `status` says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from dashboard.accounts import hashing
from dashboard.accounts.address import client_address
from dashboard.accounts.throttle import TooManyAttempts, login_throttle
from nodes import audit
from nodes.addresses import source_of
from nodes.domain.access import AccessKind, AccessResult


class NotChecked(ValidationError):
    """`status`: the HTTP status of the answer, with `Retry-After: wait_seconds`."""

    def __init__(self, message: Any, *, status: int, wait_seconds: float, **values: Any) -> None:
        super().__init__(message, **values)
        self.status = status
        self.wait_seconds = math.ceil(wait_seconds)


@contextmanager
def checking_password(request: HttpRequest, username: str) -> Iterator[None]:
    """Around the check of a password that may be wrong, which then raises a `ValidationError`. Raises `NotChecked`."""
    address = client_address(request)

    def is_known() -> bool:
        return audit.is_known(username, address)

    try:
        attempt = login_throttle.begin(username, source_of(address), is_known=is_known)
    except TooManyAttempts as exc:
        audit.note_refusal(AccessKind.LOGIN, address=address, result=AccessResult.LIMITED, name=username)
        minutes = {"minutes": math.ceil(exc.wait_seconds / 60)}
        raise NotChecked(
            _("Too many failed logins. Try again in %(minutes)d min, or use a login link."),
            params=minutes,
            status=429,
            wait_seconds=exc.wait_seconds,
        ) from exc
    try:
        with hashing.pool.login(is_known=is_known):
            yield
    except ValidationError:
        audit.note_refusal(
            AccessKind.LOGIN,
            address=address,
            result=AccessResult.REFUSED,
            name=username,
            reason="wrong name or password",
        )
        raise
    except hashing.HashingBusy as exc:
        login_throttle.withdrawn(attempt)
        raise NotChecked(
            _("Too many logins are being checked right now. Try again in a few seconds."),
            status=503,
            wait_seconds=hashing.RETRY_AFTER_SECONDS,
        ) from exc
    except BaseException:
        login_throttle.withdrawn(attempt)
        raise
    login_throttle.succeeded(attempt)


class LoginForm(AuthenticationForm):
    """Name and password."""

    not_checked: NotChecked | None = None

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not username or not password or self.request is None:
            return self.cleaned_data
        try:
            with checking_password(self.request, username):
                return super().clean()
        except NotChecked as exc:
            self.not_checked = exc
            raise


class OldPasswordForm(PasswordChangeForm):
    """A new password, after the old one: a stolen session must not be able to guess it."""

    not_checked: NotChecked | None = None

    def __init__(self, request: HttpRequest, user: User, data: Any = None) -> None:
        super().__init__(user, data)
        self.request = request

    @sensitive_variables()
    def clean_old_password(self) -> str:
        try:
            with checking_password(self.request, self.user.get_username()):
                return super().clean_old_password()
        except NotChecked as exc:
            self.not_checked = exc
            raise
