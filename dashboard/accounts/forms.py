"""Forms of the account pages."""

from __future__ import annotations

import math
from typing import Any

from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from dashboard.accounts.address import client_address
from dashboard.accounts.throttle import login_throttle


class LoginForm(AuthenticationForm):
    """Name and password, throttled: a refused attempt does not check the password at all."""

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not username or not password or self.request is None:
            return self.cleaned_data
        address = client_address(self.request)
        if wait_seconds := login_throttle.wait_seconds(username, address):
            raise ValidationError(
                _("Too many failed logins. Try again in %(minutes)d min, or use a login link."),
                code="throttled",
                params={"minutes": math.ceil(wait_seconds / 60)},
            )
        # Counted before the slow check, so that concurrent attempts cannot all pass.
        login_throttle.failed(username, address)
        cleaned = super().clean()
        login_throttle.succeeded(username, address)
        return cleaned
