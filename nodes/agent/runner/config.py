"""Configuration of a runner, fixed at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nodes.core.project_secrets import ProjectSecrets
from nodes.domain.events import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLimits:
    """Above the rate, whole lines are dropped and counted; the task is never blocked."""

    lines_per_second: float = 5_000
    bytes_per_second: float = 1 << 20
    burst_seconds: float = 4.0
    total_bytes: int = 1 << 30
    idle_flush_seconds: float = 0.2  # A line without a newline (a prompt) is shown after this.


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerConfig:
    tasks_folder: Path
    command_log_path: Path
    slots: int = 2
    allow_commands: bool = True  # Any command, not only the projects' named tasks.
    projects: tuple[Project, ...] = ()
    secrets: Mapping[str, ProjectSecrets] = field(default_factory=dict)  # By project.
    default_folder: Path = field(default_factory=Path.home)  # Where a command without a project runs.
    environment: Mapping[str, str] = field(default_factory=dict)  # Already limited to what a task may see.
    limits: OutputLimits = field(default_factory=OutputLimits)
    term_grace_seconds: float = 10.0  # Between SIGTERM and SIGKILL.
    # Finished tasks' folders are kept up to this age, number and total output size; the newest are kept.
    retention_seconds: float = 24 * 3600.0
    retained_tasks: int = 200
    retained_bytes: int = 2 << 30
    sweep_seconds: float = 60.0
    cgroup_parent: str = ""  # Empty = pause by signals.

    def secrets_of(self, project: str) -> ProjectSecrets:
        return self.secrets.get(project, ProjectSecrets())
