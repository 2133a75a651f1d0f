"""A running task, as the stall watch sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from nodes.domain.commands import TaskSpec


class Hides(Protocol):
    """Removes the task's secrets from what is observed about it."""

    def hide(self, text: str, *, is_command: bool = False) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTask:
    task_id: str
    attempt: int
    spec: TaskSpec
    supervisor_pid: int  # All of the task's processes descend from it.
    started_at_ms: int
    stdin_inode: int  # Inode of the task's standard input pipe; 0 = none, or closed.
    is_paused: bool
    was_found: bool  # An earlier agent started it and may have reported a verdict.
    output: Path
    last_lines: Callable[[], list[str]]
    redactor: Hides
