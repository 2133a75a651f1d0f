from __future__ import annotations

from pathlib import Path

import pytest

from nodes.agent.runner.config import RunnerConfig
from nodes.agent.runner.retention import RetiredAttempt, outdated


def gone_from(*sizes: int, ages: tuple[float, ...] = (), **config: float) -> list[str]:
    """Keys to remove, of tasks t0, t1, … of which t0 ended last."""
    told = [
        RetiredAttempt(key=f"t{number}", at=1000.0 - (ages[number] if ages else number), size=size)
        for number, size in enumerate(sizes)
    ]
    limits = RunnerConfig(tasks_folder=Path("tasks"), command_log_path=Path("command-log"), **config)  # type: ignore[arg-type]
    return outdated(told, now=1000.0, config=limits)


def test_nothing_is_removed_within_the_limits() -> None:
    assert gone_from(1, 1, 1) == []
    assert gone_from() == []


def test_tasks_over_the_age_limit_are_removed_oldest_first() -> None:
    assert gone_from(1, 1, 1, ages=(5, 11, 12), retention_seconds=10) == ["t2", "t1"]


def test_the_newest_are_kept_up_to_the_number_limit() -> None:
    assert gone_from(1, 1, 1, 1, retained_tasks=2) == ["t3", "t2"]


@pytest.mark.parametrize(
    ("sizes", "gone"),
    [
        ((4, 4, 2), []),
        ((4, 4, 3), ["t2"]),
        ((4, 7, 1), ["t2", "t1"]),  # In the order of their ends: no hole among those kept.
        ((99, 1), ["t1"]),
        ((99,), []),
    ],
)
def test_the_newest_are_kept_up_to_the_size_limit_and_the_last_always(sizes: tuple[int, ...], gone: list[str]) -> None:
    assert gone_from(*sizes, retained_bytes=10) == gone
