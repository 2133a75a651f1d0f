"""Tests whether this process can freeze process trees with cgroup v2, by trying it, not by version."""

from __future__ import annotations

import os
from pathlib import Path

_PROBE = "agentflow-probe"


def find_freezer_parent() -> str:
    """The cgroup below which tasks' cgroups can be created; empty if signals must be used.

    This is the process's own cgroup: a service with delegation may create cgroups below it, and a cgroup without
    enabled controllers may hold both processes and child cgroups.
    """
    mount = _cgroup2_mount(_lines("/proc/self/mountinfo"))
    own = next((line.split("::", 1)[1] for line in _lines("/proc/self/cgroup") if line.startswith("0::")), "")
    if not mount or not own or "/.." in own:
        return ""
    parent = os.path.normpath(mount + "/" + own)
    return parent if _can_freeze_below(Path(parent)) else ""


def _cgroup2_mount(mountinfo: list[str]) -> str:
    """Where cgroup v2 is mounted: /sys/fs/cgroup, or /sys/fs/cgroup/unified alongside version 1."""
    for line in mountinfo:
        before, _, after = line.partition(" - ")
        if after.split(" ", 1)[0] == "cgroup2":
            return before.split(" ")[4].replace("\\040", " ")
    return ""


def _can_freeze_below(parent: Path) -> bool:
    probe = parent / f"{_PROBE}-{os.getpid()}"
    try:
        probe.mkdir()
    except OSError:  # No permission, or a read-only mount: signals are used instead.
        return False
    try:
        # Moving a process requires write permission in both cgroups and in their common ancestor.
        needed = (probe / "cgroup.freeze", probe / "cgroup.procs", parent / "cgroup.procs")
        return all(os.access(path, os.W_OK) for path in needed)
    finally:
        probe.rmdir()


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:  # No /proc, or no such file: the same as no cgroups.
        return []
