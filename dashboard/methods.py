"""Which methods a page has. Any other is answered with 405, also where Django first misses the CSRF token."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.views.decorators.http import require_http_methods

# Of a page that names none: those of Django's admin.
USUAL_METHODS = ("GET", "HEAD", "POST")

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


def not_allowed(request: HttpRequest) -> HttpResponseNotAllowed | None:
    """The answer if the page does not have the request's method: Django checks the CSRF token before the page does."""
    page = request.resolver_match.func if request.resolver_match is not None else None
    methods = getattr(page, "methods", USUAL_METHODS)
    return HttpResponseNotAllowed(methods) if request.method not in methods else None
