"""SIGKILL does not end a process that a version 1 cgroup keeps frozen: it behaves like one stuck in the kernel."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.agent.runner import shim_link
from nodes.domain.states import Action, TaskState
from tests.support.eventually import eventually
from tests.support.runner_harness import processes_with, running

pytestmark = pytest.mark.slow

FREEZER = Path("/sys/fs/cgroup/freezer")
IMPATIENT = """
import sys
sys.path.insert(0, {root!r})
from nodes.agent.runner.shim import start, supervisor
supervisor._GIVE_UP_SECONDS = 0.7
supervisor._LEFTOVER_SECONDS = supervisor._LEFTOVER_TERM_SECONDS = 0.2
supervisor._STUCK_ROUND_SECONDS = 0.2
sys.exit(start.main(sys.argv[1], int(sys.argv[2])))
"""


class Freezer:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def freeze(self, pid: int) -> None:
        (self._folder / "cgroup.procs").write_text(str(pid))
        (self._folder / "freezer.state").write_text("FROZEN")

    def thaw(self) -> None:
        (self._folder / "freezer.state").write_text("THAWED")


@pytest.fixture
def freezer(tmp_path: Path) -> Iterator[Freezer]:
    folder = FREEZER / f"agentflow-test-{tmp_path.name}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("needs a freezer of cgroup version 1")
    freezer = Freezer(folder)
    yield freezer
    freezer.thaw()
    for pid in (folder / "cgroup.procs").read_text().split():
        Path("/sys/fs/cgroup/freezer/cgroup.procs").write_text(pid)
    folder.rmdir()


@pytest.fixture(autouse=True)
def impatient_shim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The normal delay of half a minute is too long for a test."""
    script = tmp_path / "impatient.py"
    script.write_text(IMPATIENT.format(root=str(Path(__file__).parents[2])))
    monkeypatch.setattr(shim_link, "_START", script)


async def test_a_root_process_that_cannot_be_killed_is_reported(tmp_path: Path, freezer: Freezer) -> None:
    async with running(tmp_path, term_grace_seconds=0.2) as node:
        node.start("sleep", "600")
        running_status = await node.state(TaskState.RUNNING)
        freezer.freeze(running_status.pid)
        cancel = node.control(Action.CANCEL)

        await eventually(lambda: "cannot be killed: 1 of its processes" in node.statuses()[-1].message)
        assert node.statuses()[-1].state is TaskState.RUNNING  # It has not ended, and no report says so.
        assert node.journal.ephemeral == []  # The report is durable, not one that may be dropped.
        answer = await node.result(cancel)
        assert (answer.state, answer.code) == ("failed", "unkillable")
        assert "cannot be killed: 1 of its processes" in answer.message

        freezer.thaw()
        end = await node.end()
        assert end.state is TaskState.CANCELLED
        assert "cannot be killed" not in end.message


async def test_an_unkillable_leftover_does_not_hide_the_tasks_end(tmp_path: Path, freezer: Freezer) -> None:
    marker = "600.125"
    script = f"import subprocess; print(subprocess.Popen(['sleep', '{marker}']).pid, flush=True); input()"
    async with running(tmp_path) as node:
        node.start(sys.executable, "-c", script)
        await eventually(node.texts)
        freezer.freeze(int(node.texts()[0]))
        node.control(Action.INPUT, input=b"\n")
        end = await node.end()

        assert (end.state, end.exit_code) == (TaskState.SUCCEEDED, 0)
        assert end.message == "cannot be killed: 1 of its processes are blocked in the kernel"
        freezer.thaw()
        await eventually(lambda: processes_with(marker) == [])
