"""Decides which folders of finished tasks a node removes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nodes.agent.runner.config import RunnerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class RetiredAttempt:
    """A finished task whose end and output have been in the journal since `at` (Unix seconds); `size` of its output."""

    key: str
    at: float
    size: int


def outdated(retired: Iterable[RetiredAttempt], *, now: float, config: RunnerConfig) -> list[str]:
    """Keys, oldest first, of the tasks that exceed the maximum age, number or total size.

    The latest one is kept, however large it is.
    """
    gone: list[str] = []
    kept = size = 0
    for task in sorted(retired, key=lambda task: task.at, reverse=True):
        size += task.size
        is_too_much = kept > 0 and (kept >= config.retained_tasks or size > config.retained_bytes)
        if is_too_much or task.at < now - config.retention_seconds:
            gone.append(task.key)
        else:
            kept += 1
    return gone[::-1]
