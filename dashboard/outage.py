"""The answer while the database does not respond, or too many passwords are being hashed: a message and when to retry,
never the database's error text.
"""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.defaults import server_error

from dashboard.accounts.hashing import HashingBusy
from nodes.outages import is_outage

RETRY_AFTER_SECONDS = 5
CODE = "store-unavailable"


def words() -> str:
    return _(
        "The Leader's database does not respond. Running tasks continue and nothing is lost; try again in a moment."
    )


def answer_failure(request: HttpRequest) -> HttpResponse:
    """Django's handler500. Answers 503 if a later try may succeed, on every URL and in middleware."""
    # Called inside the failure's `except`, possibly on another thread, to which asgiref passes the exception.
    exc = sys.exc_info()[1]
    if isinstance(exc, HashingBusy):
        return _answer(request, "busy", _("Too many passwords are being checked right now. Try again in a moment."))
    if not is_outage(exc):
        return server_error(request)
    return _answer(request, CODE, words())


def _answer(request: HttpRequest, code: str, message: str) -> HttpResponse:
    if request.path.startswith("/api/"):
        error = {"code": code, "message": message, "field": None}
        response: HttpResponse = JsonResponse({"error": error}, status=503)
    else:
        response = render(None, "503.html", {"words": message}, status=503)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
