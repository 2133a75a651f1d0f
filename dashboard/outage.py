"""What people are told when the database does not take a request: that, and when to come again; never its own words."""

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
    """Locked, full or not there: the database is at fault, not the request."""
    return isinstance(exc, (OperationalError, InterfaceError))


def words() -> str:
    return _(
        "The Leader's database does not answer. Running tasks go on, nothing of them is lost; try again in a moment."
    )


def answer_failure(request: HttpRequest) -> HttpResponse:
    """Django's handler500: for every door, and for middleware too."""
    # Called within the `except` of the failure, also on another thread: asgiref carries it there.
    if not is_outage(sys.exc_info()[1]):
        return server_error(request)
    if request.path.startswith("/api/"):
        error = {"code": CODE, "message": words(), "field": None}
        response: HttpResponse = JsonResponse({"error": error}, status=503)
    else:
        response = render(None, "503.html", {"words": words()}, status=503)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
