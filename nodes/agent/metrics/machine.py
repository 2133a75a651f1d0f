"""This node's capabilities, reported when it registers."""

from __future__ import annotations

import os
import platform

import psutil

from nodes.domain.events import Capabilities, GpuMetrics, Project


def capabilities(
    *,
    agent_version: str,
    projects: tuple[Project, ...],
    slots: int,
    allows_commands: bool,
    pause_method: str,
    gpus: tuple[GpuMetrics, ...],
) -> Capabilities:
    return Capabilities(
        os=_operating_system(),
        architecture=platform.machine(),
        cpu_count=len(os.sched_getaffinity(0)),
        memory_bytes=psutil.virtual_memory().total,
        python_version=platform.python_version(),
        agent_version=agent_version,
        gpus=gpus,
        projects=projects,
        slots=slots,
        allows_commands=allows_commands,
        pause_method=pause_method,
    )


def _operating_system() -> str:
    """Such as "Debian GNU/Linux 12 (bookworm)"; the kernel's name if there is no os-release file."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:  # No os-release file.
        return f"{platform.system()} {platform.release()}"
    return release.get("PRETTY_NAME") or release.get("NAME", platform.system())
