"""The answer to a form that comes from another address than the site expects, or whose page is too old."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import REASON_BAD_ORIGIN, REASON_BAD_REFERER
from django.shortcuts import render
from django.utils.translation import gettext as _

from dashboard.live.origin import TRUSTED_ORIGINS_SETTING, shown
from dashboard.methods import not_allowed

_BAD_ADDRESS = tuple(reason.partition("%s")[0] for reason in (REASON_BAD_ORIGIN, REASON_BAD_REFERER))


def answer_csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW."""
    refused = not_allowed(request)
    if refused is not None:
        return refused
    return render(request, "403_csrf.html", {"words": explained(request, reason)}, status=403)


def explained(request: HttpRequest, reason: str) -> str:
    """Names both origins when they differ: then only the operator can help, and reloading the page cannot."""
    if not reason.startswith(_BAD_ADDRESS):
        return _("This page expired. Reload it and try again.")
    sent = request.headers.get("Origin") or request.headers.get("Referer", "")
    origin = "/".join(sent.split("/", 3)[:3])
    return _(
        "Your browser opened this page at %(sent)s, but the request reached the server as %(expected)s. "
        "If a proxy stands in between, let it pass the Host header with its port and X-Forwarded-Proto, "
        "or add %(sent)s to %(setting)s."
    ) % {
        "sent": shown(origin),
        "expected": shown(f"{request.scheme}://{request.get_host()}"),
        "setting": TRUSTED_ORIGINS_SETTING,
    }
