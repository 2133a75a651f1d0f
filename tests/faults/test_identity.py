"""Which processes an agent may signal, after process ids were reused or the machine was restarted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.arena import Arena
from tests.faults.truth import start_ticks
from tests.support.eventually import eventually_sync

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def folder_of(arena: Arena, node: str, task: str) -> Path:
    return arena.folder / node / "tasks" / f"{task}.1"


def supervisor_of(arena: Arena, node: str, task: str) -> int:
    return int(json.loads((folder_of(arena, node, task) / "claim.json").read_text())["pid"])


def end_at_once(*pids: int) -> None:
    """Kills the processes, like a power cut."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        eventually_sync(lambda pid=pid: start_ticks(pid) is None, message=f"process {pid} is gone")
        eventually_sync(lambda pid=pid: not psutil.pid_exists(pid), message=f"process {pid} is reaped")


@pytest.fixture
def strangers() -> Iterator[Callable[[int], subprocess.Popen[bytes]]]:
    """Starts unrelated processes with process ids that tasks had before."""
    made: list[subprocess.Popen[bytes]] = []

    def make(pid: int) -> subprocess.Popen[bytes]:
        for _ in range(200):  # Other processes may take the id.
            try:
                LAST_PID.write_text(str(pid - 1))
            except OSError as exc:
                pytest.skip(f"process numbers cannot be chosen here: {exc}")
            made.append(subprocess.Popen(["sleep", "100000"]))
            if made[-1].pid == pid:
                return made[-1]
            assert not psutil.pid_exists(pid), f"somebody else has got {pid}"
        raise AssertionError(f"no process got the number {pid}")

    yield make
    for process in made:
        process.kill()
        process.wait()


def test_scenario_40_reused_process_ids(arena: Arena, strangers: Callable[[int], subprocess.Popen[bytes]]) -> None:
    """Supervisor and task die with the agent, and other processes get their ids: these are never signalled."""
    task = arena.start_task("master-2")
    arena.wait_more_lines(task)
    pids = [arena.pid(task), supervisor_of(arena, "master-2", task)]

    arena.kill("master-2")
    end_at_once(*reversed(pids))
    others = [strangers(pid) for pid in pids]
    arena.restart("master-2")

    arena.lost.add((task, 1))
    arena.wait_state(task, "lost")
    with pytest.raises(OSError, match="409"):
        arena.cluster.control(task, "cancel")
    assert [other.poll() for other in others] == [None, None]
    arena.check()
    assert [other.poll() for other in others] == [None, None]


def test_scenario_40_machine_restarted(arena: Arena, tmp_path: Path) -> None:
    """Running tasks are lost, with that reason; an earlier end is reported correctly."""
    running = arena.start_task("master-2")
    ended = arena.start_task("master-2", "--exit", "7")
    arena.wait_more_lines(running)
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("00000000-1111-2222-3333-444444444444\n")
    process = arena.cluster.processes["master-2"]
    argv = process.argv

    arena.kill("master-2")
    arena.truth.let_end(ended)
    exit_record = folder_of(arena, "master-2", ended) / "exit.json"
    eventually_sync(exit_record.exists, message="it ends")
    end_at_once(supervisor_of(arena, "master-2", running), arena.pid(running))
    # To this agent, it looks like another boot.
    script = f'mount --bind {boot_id} {BOOT_ID} && exec "$@"'
    if subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace: the boot id cannot be changed for one process")
    process.argv = ["unshare", "--mount", "sh", "-c", script, "sh", *argv]
    arena.restart("master-2")
    process.argv = argv

    arena.lost.add((running, 1))
    arena.wait_state(running, "lost")
    assert arena.cluster.task(running)["message"] == "the machine was restarted"
    arena.wait_state(ended, "failed")
    # The arena is shared: with the mount, each later restart would look like another boot.
    arena.kill("master-2")
    arena.restart("master-2")
    arena.check()
