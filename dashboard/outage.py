"""The answer when the database does not respond: a plain message and when to retry, never the database's error text."""

from __future__ import annotations

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.defaults import server_error

RETRY_AFTER_SECONDS = 5
CODE = "store-unavailable"


def is_outage(exc: BaseException | None) -> bool:
    """Locked, full or missing: the database is at fault, not the request."""
    return isinstance(exc, (OperationalError, InterfaceError))


def words() -> str:
    return _(
        "The Leader's database does not respond. Running tasks continue and nothing is lost; try again in a moment."
    )


def answer_failure(request: HttpRequest) -> HttpResponse:
    """Django's handler500, for every URL and for middleware."""
    # Called within the failure's `except`, possibly on another thread: asgiref carries the exception there.
    if not is_outage(sys.exc_info()[1]):
        return server_error(request)
    if request.path.startswith("/api/"):
        error = {"code": CODE, "message": words(), "field": None}
        response: HttpResponse = JsonResponse({"error": error}, status=503)
    else:
        response = render(None, "503.html", {"words": words()}, status=503)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
