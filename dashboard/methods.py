"""Which methods a page has. Any other is answered with 405, also where Django first misses the CSRF token."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.views.csrf import csrf_failure
from django.views.decorators.http import require_http_methods

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)


def only(*methods: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Protects a page, as Django's `require_http_methods`."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        guarded: Callable[P, R] = require_http_methods(methods)(view)
        # Other decorators copy it, as `functools.wraps` does.
        guarded.__dict__["methods"] = methods
        return guarded

    return decorate


def answer_csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW. The token is checked before the page: "forbidden" would be the wrong reason here."""
    page = request.resolver_match.func if request.resolver_match is not None else None
    methods = getattr(page, "methods", None)
    if methods is not None and request.method not in methods:
        return HttpResponseNotAllowed(methods)
    return csrf_failure(request, reason)
