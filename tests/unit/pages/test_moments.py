from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils.timezone import localtime

from dashboard.templatetags.agentflow import freshness, task_note

NOON = datetime(2026, 3, 4, 12, 0, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "dashboard.templatetags.agentflow.localtime", lambda when=None: localtime(NOON if when is None else when, UTC)
    )


@pytest.mark.parametrize(
    ("ago", "shown"),
    [(timedelta(hours=2), "10:00:05"), (timedelta(hours=13), "2026-03-03 23:00")],
)
def test_a_time_on_another_day_includes_the_date(ago: timedelta, shown: str) -> None:
    at_ms = (NOON - ago).timestamp() * 1000

    assert f"since {shown}<" in freshness({"state": "offline", "stateSince": at_ms})
    assert task_note({"state": "running", "unknownSince": at_ms}).endswith(f"unknown since {shown}")
