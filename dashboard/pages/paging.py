"""Pages of a list, as links that keep the filters."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest

MAX_PAGE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pager:
    number: int
    has_more: bool
    previous_url: str
    next_url: str


def asked_page(request: HttpRequest) -> int:
    """The page number from the URL; 1 if it is invalid."""
    text = request.GET.get("page", "")
    return min(max(int(text), 1), MAX_PAGE) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def pager(request: HttpRequest, *, number: int, has_more: bool) -> Pager:
    return Pager(
        number=number, has_more=has_more, previous_url=_url(request, number - 1), next_url=_url(request, number + 1)
    )


def _url(request: HttpRequest, number: int) -> str:
    query = request.GET.copy()
    if number > 1:
        query["page"] = str(number)
    else:
        query.pop("page", None)
    return f"{request.path}?{query.urlencode()}" if query else request.path
