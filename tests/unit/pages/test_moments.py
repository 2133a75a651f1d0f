from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

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


@pytest.mark.parametrize(
    ("task", "note"),
    [
        ({"state": "pending", "pendingReason": "no slot", "message": "old"}, "no slot"),
        ({"state": "running", "pendingReason": "no slot", "message": "linking"}, "linking"),
        ({"state": "paused", "partialPause": True, "message": "m"}, "Partly paused: some of its processes still run."),
        ({"state": "failed", "message": "", "exitCode": 2}, "exit code 2"),
        ({"state": "failed", "exitCode": -9}, "ended by signal 9"),
        ({"state": "failed", "message": "m", "exitCode": 2}, "m"),
        ({"state": "failed", "exitCode": None}, ""),
        ({"state": "succeeded", "exitCode": 0}, ""),
    ],
)
def test_note_is_the_most_important_fact(task: dict[str, Any], note: str) -> None:
    assert task_note(task) == note


def test_a_node_that_was_never_seen_has_no_data_yet() -> None:
    assert "no data yet<" in freshness({"state": "offline", "stateSince": None})
