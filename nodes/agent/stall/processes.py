"""Reads a task's processes from /proc. Leaves out what is gone or may not be read."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field

_TICKS = os.sysconf("SC_CLK_TCK")
_MAX_PROCESSES = 2_000
_DEAD = frozenset("ZX")
# Numbers of read and readv; of pselect6 and select, whose first argument is the highest descriptor plus one.
_READS, _SELECTS = {
    "x86_64": (frozenset({0, 19}), frozenset({23, 270})),
    "aarch64": (frozenset({63, 65}), frozenset({72})),
}.get(platform.machine(), (frozenset(), frozenset()))


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    parent: int
    name: str
    state: str
    started: int  # Clock ticks since boot; together with the pid, this identifies the process.
    cpu_seconds: float  # Including its ended children.
    read_bytes: int = 0
    written_bytes: int = 0


@dataclass(slots=True)
class Delta:
    cpu_seconds: float = 0.0
    read_bytes: int = 0
    written_bytes: int = 0


@dataclass(slots=True)
class Tree:
    """The processes below one supervisor; keeps the values of the last sample."""

    supervisor_pid: int
    _before: dict[tuple[int, int], Process] = field(default_factory=dict)

    def sample(self) -> tuple[list[Process], Delta]:
        """The living processes, parents first, and what they did since the last sample."""
        found = tree_of(self.supervisor_pid)
        delta = Delta()
        now: dict[tuple[int, int], Process] = {}
        for process in found:
            key = (process.pid, process.started)
            now[key] = process
            before = self._before.get(key)
            delta.cpu_seconds += max(0.0, process.cpu_seconds - (before.cpu_seconds if before else 0.0))
            delta.read_bytes += max(0, process.read_bytes - (before.read_bytes if before else 0))
            delta.written_bytes += max(0, process.written_bytes - (before.written_bytes if before else 0))
        self._before = now
        return [process for process in found if process.state not in _DEAD], delta


def tree_of(ancestor: int) -> list[Process]:
    """All descendants of `ancestor`, including zombies, parents before children."""
    found: list[Process] = []
    parents = [ancestor]
    while parents and len(found) < _MAX_PROCESSES:
        for pid in _children(parents.pop(0)):
            process = _process(pid)
            if process is not None:
                found.append(process)
                parents.append(pid)
    return found


def reads_stdin(process: Process, inode: int) -> bool:
    """Whether the process is blocked reading this pipe.

    The kernel shows the system call and its descriptor to processes that may trace this one. If that is not allowed
    (Yama), a process that sleeps in a pipe read counts if this is the only pipe it can read from.
    """
    if not inode or process.state != "S":
        return False
    call = read_text(f"/proc/{process.pid}/syscall").split()
    if len(call) > 1 and call[0].isdigit():
        number, first = int(call[0]), int(call[1], 16)
        if number in _READS:
            return _inode(process.pid, first) == inode
        return number in _SELECTS and first == 1 and _inode(process.pid, 0) == inode
    return "pipe" in wait_channel(process.pid) and _readable_pipes(process.pid) == {inode}


def wait_channel(pid: int) -> str:
    return read_text(f"/proc/{pid}/wchan").strip("0\n")


def command_of(pid: int) -> str:
    return read_text(f"/proc/{pid}/cmdline").replace("\0", " ").strip()


def executable_of(pid: int) -> str:
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:  # Gone, or owned by another user.
        return ""


def read_text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(65536).decode("utf-8", "replace")
    except OSError:  # Gone, or not readable by this user.
        return ""


def _children(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:  # Gone meanwhile.
        return []
    return [int(child) for thread in threads for child in read_text(f"/proc/{pid}/task/{thread}/children").split()]


def _process(pid: int) -> Process | None:
    stat = read_text(f"/proc/{pid}/stat")
    if not stat:
        return None
    # The name may contain spaces and parentheses: fields are counted from the last parenthesis.
    name = stat[stat.index("(") + 1 : stat.rindex(")")]
    fields = stat[stat.rindex(")") + 2 :].split()
    read_bytes = written_bytes = 0
    for line in read_text(f"/proc/{pid}/io").splitlines()[:2]:
        what, _, number = line.partition(": ")
        if what == "rchar":
            read_bytes = int(number)
        elif what == "wchar":
            written_bytes = int(number)
    ticks = sum(int(fields[index]) for index in (11, 12, 13, 14))
    return Process(pid, int(fields[1]), name, fields[0], int(fields[19]), ticks / _TICKS, read_bytes, written_bytes)


def _inode(pid: int, descriptor: int) -> int:
    try:
        return os.stat(f"/proc/{pid}/fd/{descriptor}").st_ino
    except OSError:  # Gone, closed, or owned by another user.
        return 0


def _readable_pipes(pid: int) -> set[int]:
    found: set[int] = set()
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:  # Gone, or owned by another user.
        return found
    for descriptor in descriptors:
        try:
            is_pipe = os.readlink(f"/proc/{pid}/fd/{descriptor}").startswith("pipe:")
        except OSError:
            continue  # Closed meanwhile.
        flags = next(
            (x for x in read_text(f"/proc/{pid}/fdinfo/{descriptor}").splitlines() if x.startswith("flags")), ""
        )
        if is_pipe and flags and int(flags.split()[1], 8) & os.O_ACCMODE != os.O_WRONLY:
            found.add(_inode(pid, int(descriptor)))
    return found
