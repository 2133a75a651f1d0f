"""Limits on how much one read returns."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

PAGE_ROWS = 50
MAX_ROWS = 500


def page_of(rows: QuerySet[Any], page: int, limit: int) -> tuple[list[Any], bool]:
    start = (max(page, 1) - 1) * limit
    found = list(rows[start : start + limit + 1])
    return found[:limit], len(found) > limit
