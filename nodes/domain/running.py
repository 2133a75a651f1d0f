"""A task that runs here, as others on the node see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nodes.domain.commands import TaskSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTask:
    task_id: str
    attempt: int
    spec: TaskSpec
    supervisor_pid: int  # All processes of the task are below it.
    started_at_ms: int
    stdin_inode: int  # Of the pipe that is the task's standard input; 0 = none, or closed.
    is_paused: bool
    was_found: bool  # An earlier agent started it and may have told a verdict.
    output: Path
    last_lines: Callable[[], list[str]]
