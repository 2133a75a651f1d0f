"""Pauses, resumes, signals and kills a whole process tree, even if its members were re-parented or changed session.

The shim is a child subreaper, so all descendants of the task stay below the shim: a double-forked daemon, a setsid
child, an orphan. A cgroup v2 freezer pauses the tree where it is available (atomic and invisible to the processes);
elsewhere SIGSTOP is sent to the tree, repeatedly until no new process appears.
"""

from __future__ import annotations

import os
import signal
import time

from nodes.agent.runner.shim import procfs

TYPE_CHECKING = False  # Type checkers know this name; importing `typing` would cost memory in every task.
if TYPE_CHECKING:
    from collections.abc import Callable

_STOP_ROUNDS = 40
_ROUND_SECONDS = 0.005
_FREEZE_SECONDS = 1.0
_STOPPED = frozenset("Tt")
_DEAD = frozenset("ZX")


class SignalTree:
    """Control by signals alone."""

    method = "signals"

    def __init__(self, ancestor: int) -> None:
        self._ancestor = ancestor
        # Processes that were already stopped before our pause: resume must not continue them.
        self._stopped_before: set[int] = set()

    def members(self) -> list[procfs.Process]:
        """All living processes of the task."""
        return [entry for entry in procfs.descendants(self._ancestor) if entry[1] not in _DEAD]

    def enter(self) -> None:
        """Called in the new process before it becomes the task."""

    def pause(self) -> bool:
        """True when every process is stopped; False when some are not (for example another user's process)."""
        self._stopped_before = {entry[0] for entry in self.members() if entry[1] in _STOPPED}
        return _stop(self.members)

    def resume(self) -> None:
        for _ in range(_STOP_ROUNDS):
            held = [entry for entry in self.members() if entry[1] in _STOPPED and entry[0] not in self._stopped_before]
            if not held:
                break
            for entry in held:
                send(entry, signal.SIGCONT)
            time.sleep(_ROUND_SECONDS)
        self._stopped_before = set()

    def terminate(self) -> None:
        """Sends SIGTERM to every process, and wakes stopped ones so that they receive it."""
        for entry in self.members():
            send(entry, signal.SIGTERM)
        for entry in self.members():
            send(entry, signal.SIGCONT)

    def kill(self) -> None:
        """One round of SIGKILL; the caller repeats it until `members` is empty, because a fork may race with it."""
        for entry in self.members():
            send(entry, signal.SIGKILL)

    def close(self) -> None:
        """Releases the tree's kernel resources; called when it is empty."""


class CgroupTree(SignalTree):
    """Freezes and kills with the task's own cgroup v2; processes that left it are found below the shim and signaled."""

    method = "cgroup"

    def __init__(self, ancestor: int, path: str) -> None:
        super().__init__(ancestor)
        self.path = path
        os.mkdir(path, 0o755)

    def enter(self) -> None:
        self._write("cgroup.procs", "0")

    def pause(self) -> bool:
        self._write("cgroup.freeze", "1")
        frozen = self._wait_frozen()
        strays = self._strays()
        return _stop(self._strays) and frozen if strays else frozen

    def resume(self) -> None:
        self._write("cgroup.freeze", "0")
        super().resume()

    def terminate(self) -> None:
        for entry in self.members():
            send(entry, signal.SIGTERM)
        self._write("cgroup.freeze", "0")
        for entry in self.members():
            send(entry, signal.SIGCONT)

    def kill(self) -> None:
        try:
            self._write("cgroup.kill", "1")
        except OSError:
            pass  # The file does not exist before Linux 5.14; the signals below are enough.
        super().kill()

    def close(self) -> None:
        try:
            os.rmdir(self.path)
        except OSError:
            pass  # A process in uninterruptible sleep keeps the cgroup; the empty folder costs nothing.

    def _strays(self) -> list[procfs.Process]:
        with open(os.path.join(self.path, "cgroup.procs"), encoding="ascii") as file:
            inside = {int(line) for line in file}
        return [entry for entry in self.members() if entry[0] not in inside]

    def _wait_frozen(self) -> bool:
        deadline = time.monotonic() + _FREEZE_SECONDS
        while time.monotonic() < deadline:
            with open(os.path.join(self.path, "cgroup.events"), encoding="ascii") as file:
                if "frozen 1" in file.read():
                    return True
            time.sleep(_ROUND_SECONDS)
        return False

    def _write(self, name: str, value: str) -> None:
        with open(os.path.join(self.path, name), "w", encoding="ascii") as file:
            file.write(value)


def send(entry: procfs.Process, number: int) -> bool:
    """Signals exactly this process, never another one that reused its pid."""
    pid, _, _, started = entry
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:  # The process is gone.
        return False
    try:
        if procfs.start_time(pid) != started:
            return False
        signal.pidfd_send_signal(descriptor, number)
    except OSError:
        return False  # Gone, or owned by another user.
    finally:
        os.close(descriptor)
    return True


def _stop(members: Callable[[], list[procfs.Process]]) -> bool:
    """Sends SIGSTOP until two checks in a row find everything stopped: a process may fork while it is being stopped."""
    calm = 0
    for _ in range(_STOP_ROUNDS):
        moving = [entry for entry in members() if entry[1] not in _STOPPED]
        if not moving:
            calm += 1
            if calm == 2:
                return True
            continue
        calm = 0
        for entry in moving:
            send(entry, signal.SIGSTOP)
        time.sleep(_ROUND_SECONDS)
    return False
