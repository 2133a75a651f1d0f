"""What a runner is told at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nodes.domain.events import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLimits:
    """Above the rate whole lines are dropped and counted; the task never waits."""

    lines_per_second: float = 5_000
    bytes_per_second: float = 1 << 20
    burst_seconds: float = 4.0
    total_bytes: int = 1 << 30
    idle_flush_seconds: float = 0.2  # A line without an end (a prompt) is shown after this.


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerConfig:
    tasks_folder: Path
    ledger_path: Path
    slots: int = 2
    allow_commands: bool = True  # Free commands, not only the projects' named tasks.
    projects: tuple[Project, ...] = ()
    default_folder: Path = field(default_factory=Path.home)  # Where a command without a project runs.
    environment: Mapping[str, str] = field(default_factory=dict)  # Already reduced to what a task may see.
    limits: OutputLimits = field(default_factory=OutputLimits)
    term_grace_seconds: float = 10.0  # Between SIGTERM and SIGKILL.
    # How long the folder of a finished task stays, and how many stay, and how much output: the newest.
    retention_seconds: float = 24 * 3600.0
    retained_tasks: int = 200
    retained_bytes: int = 2 << 30
    sweep_seconds: float = 60.0
    cgroup_parent: str = ""  # Empty: pause by signals.
