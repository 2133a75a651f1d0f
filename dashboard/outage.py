"""The answer while the database does not respond: a message and when to retry, never the database's error text."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.defaults import server_error

from nodes.outages import is_outage

RETRY_AFTER_SECONDS = 5
CODE = "store-unavailable"


def words() -> str:
    return _(
        "The Leader's database does not respond. Running tasks continue and nothing is lost; try again in a moment."
    )


def answer_failure(request: HttpRequest) -> HttpResponse:
    """Django's handler500. Answers 503 if the database is down, on every URL and in middleware."""
    # Called inside the failure's `except`, possibly on another thread, to which asgiref passes the exception.
    if not is_outage(sys.exc_info()[1]):
        return server_error(request)
    if request.path.startswith("/api/"):
        error = {"code": CODE, "message": words(), "field": None}
        response: HttpResponse = JsonResponse({"error": error}, status=503)
    else:
        response = render(None, "503.html", {"words": words()}, status=503)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
