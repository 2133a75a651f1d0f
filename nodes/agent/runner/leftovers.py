"""Ends what a task may have left running when its supervisor is gone, and never a process that is not the task's.

A process is the task's if it is in the task's own cgroup, is the recorded root process, carries the attempt's
identity in its environment, or descends from one of these. Pids are checked against boot and start time, and signals
go through a pidfd, because the kernel reuses pids.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nodes.agent.runner.shim import layout, procfs, tree

logger = logging.getLogger(__name__)

_GIVE_UP_SECONDS = 5.0  # What is still alive then is blocked in the kernel, or forks faster than it can be killed.
_ROUND_SECONDS = 0.02
_DEAD = "ZX"

Record = dict[str, Any]


def end_leftovers(folder: Path, identity: dict[str, str]) -> bool:
    """Kills the task's processes and removes its cgroup. True when certainly none is left; may take some seconds.

    `identity` are the variables that only this attempt's processes have, as far as the caller knows them.
    """
    claim, started = (layout.read_record(str(folder), name) for name in (layout.CLAIM, layout.STARTED))
    with contextlib.suppress(OSError):  # Usually it does not exist.
        (folder / layout.SOCKET).unlink()
    records = [record for record in (started, claim) if record is not None]
    if not records:
        return False  # Without a record, nothing tells the task's processes from others.
    if all(record.get("boot_id") != procfs.boot_id() for record in records):
        return True  # The machine was restarted since.
    cgroups = {str(record["cgroup"]) for record in records if record.get("cgroup")}
    deadline = time.monotonic() + _GIVE_UP_SECONDS
    are_empty = all([_end_cgroup(Path(path), deadline) for path in cgroups])
    search = _Search(started or {}, claim or {}, identity)
    are_gone = search.end_all(deadline)
    # A process without a cgroup of the task may have removed every trace of it.
    has_only_cgroup = (started or {}).get("method") == tree.CgroupTree.method
    never_ran = started is None and "cgroup" in (claim or {}) and not (folder / layout.STARTED).exists()
    return are_empty and are_gone and (has_only_cgroup or never_ran)


def end_unreadable(folder: Path) -> None:
    """Ends a task whose request is damaged, with its supervisor: nobody could follow it."""
    claim = layout.read_record(str(folder), layout.CLAIM) or {}
    found = procfs.process(int(str(claim.get("pid") or 0)))
    if found is not None and (found[3], procfs.boot_id()) == (claim.get("start"), claim.get("boot_id")):
        tree.send(found, signal.SIGKILL)
    end_leftovers(folder, {})


def remove_cgroup(folder: Path) -> None:
    """Removes the cgroup of a task that has ended, if its supervisor could not: a process was still in it."""
    started = layout.read_record(str(folder), layout.STARTED) or {}
    if started.get("cgroup") and started.get("boot_id") == procfs.boot_id():
        _remove(Path(str(started["cgroup"])))


def _end_cgroup(path: Path, deadline: float) -> bool:
    """True when the cgroup is empty and removed. Its members are the task's, whatever their pids."""
    while path.exists():
        try:
            (path / "cgroup.kill").write_text("1", encoding="ascii")
        except OSError:
            _kill_members(path)  # Linux before 5.14, or the cgroup is gone.
        if _remove(path):
            return True
        if time.monotonic() > deadline:
            logger.warning("processes of a lost task cannot be killed: %s", path)
            return False
        time.sleep(_ROUND_SECONDS)
    return True


def _kill_members(path: Path) -> None:
    """Frozen first, so that no process forks while others are killed; a frozen process can be killed."""
    with contextlib.suppress(OSError):
        (path / "cgroup.freeze").write_text("1", encoding="ascii")
    for folder, _, _ in os.walk(path):
        for pid in _pids(Path(folder)):
            found = procfs.process(pid)
            if found is not None and pid in _pids(Path(folder)):  # Still there: `found` is a member.
                tree.send(found, signal.SIGKILL)


def _pids(cgroup: Path) -> set[int]:
    try:
        return {int(line) for line in (cgroup / "cgroup.procs").read_text(encoding="ascii").split()}
    except OSError:  # Removed meanwhile.
        return set()


def _remove(path: Path) -> bool:
    """Removes the cgroup with those that the task made below it; False while a process is in one."""
    with contextlib.suppress(OSError):
        for folder, _, _ in os.walk(path, topdown=False):
            os.rmdir(folder)
    return not path.exists()


class _Search:
    """Finds a task's processes by the identity of the root process and by their environment."""

    def __init__(self, started: Record, claim: Record, identity: dict[str, str]) -> None:
        boot_id = procfs.boot_id()
        run_id = str(started.get(layout.RUN_ID) or claim.get(layout.RUN_ID) or "")
        # A supervisor of an earlier version recorded no run id.
        self._marks = {f"{name}={value}".encode() for name, value in identity.items()}
        self._marks |= {f"{layout.RUN_ID}={run_id}".encode()} if run_id else set()
        self._is_marked = bool(run_id) or bool(identity)
        self._root = (started.get("pid"), started.get("start")) if started.get("boot_id") == boot_id else None
        starts = [int(one["start"]) for one in (claim, started) if one.get("boot_id") == boot_id and one.get("start")]
        self._earliest = min(starts, default=None)

    def end_all(self, deadline: float) -> bool:
        """True when two searches in a row find none: a process may be between fork and exec."""
        calm = 0
        while calm < 2:
            if not (found := self._stopped(deadline)):
                calm += 1
            elif time.monotonic() > deadline:
                logger.warning("%d processes of a lost task cannot be killed", len(found))
                return False
            else:
                calm = 0
                for entry in found:
                    tree.send(entry, signal.SIGKILL)
            time.sleep(_ROUND_SECONDS)
        return True

    def _stopped(self, deadline: float) -> set[procfs.Process]:
        """All processes of the task, stopped: a child that hides its origin is found while its parent still lives."""
        stopped: dict[tuple[int, int], procfs.Process] = {}
        while new := [entry for entry in self._living() if (entry[0], entry[3]) not in stopped]:
            for entry in new:
                tree.send(entry, signal.SIGSTOP)
                stopped[entry[0], entry[3]] = entry
            if time.monotonic() > deadline:
                break
        return set(stopped.values())

    def _living(self) -> Iterator[procfs.Process]:
        everything = procfs.processes()
        children: dict[int, list[procfs.Process]] = {}
        for entry in everything:
            children.setdefault(entry[2], []).append(entry)
        own = procfs.ancestry(os.getpid(), everything)
        pending = [entry for entry in everything if entry[0] not in own and self._is_the_tasks(entry)]
        seen: set[int] = set()
        while pending:
            entry = pending.pop()
            if entry[0] in seen or entry[0] in own:
                continue
            seen.add(entry[0])
            pending += [child for child in children.get(entry[0], []) if child[3] >= entry[3]]
            if entry[1] not in _DEAD:
                yield entry

    def _is_the_tasks(self, entry: procfs.Process) -> bool:
        if (entry[0], entry[3]) == self._root:
            return True
        if self._earliest is None or entry[3] < self._earliest or not self._is_marked:
            return False
        return self._marks <= procfs.environment(entry[0]) and procfs.start_time(entry[0]) == entry[3]
