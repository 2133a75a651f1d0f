"""A lost task leaves nothing: no process, no cgroup, no socket; and no other process is ever hit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodes.agent.runner import leftovers, shim_link
from nodes.agent.runner.freezer import find_freezer_parent
from nodes.agent.runner.shim import layout
from nodes.domain.states import TaskState
from tests.support.eventually import eventually
from tests.support.runner_harness import processes_with, running

pytestmark = pytest.mark.slow

MAY_RUN = "the supervisor crashed without recording the outcome; processes of it may still run"
# A shim that dies when it is about to write, or has just written, one of its records.
DYING = """
import os, signal, sys
sys.path.insert(0, {root!r})
from nodes.agent.runner.shim import layout, start
write = layout.write_record
def dying(folder, name, record):
    if name == layout.STARTED and {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    write(folder, name, record)
    if name == layout.STARTED:
        os.kill(os.getpid(), signal.SIGKILL)
layout.write_record = dying
sys.exit(start.main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.fixture
def marker() -> Iterator[str]:
    marker = f"8{uuid.uuid4().int % 10**7:07d}"
    yield marker
    for pid in processes_with(marker):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(params=["cgroup", "signals"])
def means(request: pytest.FixtureRequest) -> dict[str, Any]:
    if request.param == "cgroup" and not find_freezer_parent():
        pytest.skip("needs cgroup version 2")
    return {"signals_only": request.param == "signals"}


def record(folder: Path, name: str) -> dict[str, Any]:
    return layout.read_record(str(folder / "tasks/t1.1"), name) or {}


async def test_a_task_that_kills_its_supervisor_at_once_leaves_nothing(
    tmp_path: Path, marker: str, means: dict[str, Any]
) -> None:
    async with running(tmp_path, **means) as node:
        node.shell(f"setsid env -i sleep {marker} & sleep {marker} & kill -9 $PPID; sleep {marker}")
        end = await node.end()

        assert end.state is TaskState.LOST
        assert (end.message == MAY_RUN) is means["signals_only"]
        assert processes_with(marker) == []
        assert not (tmp_path / "tasks/t1.1" / layout.SOCKET).exists()
        for name in (layout.CLAIM, layout.STARTED):
            cgroup = record(tmp_path, name)["cgroup"]
            assert not (cgroup and Path(cgroup).exists())


@pytest.mark.parametrize("before", [True, False])
async def test_a_command_does_not_run_before_its_process_is_recorded(
    tmp_path: Path, means: dict[str, Any], monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    script = tmp_path / "dying.py"
    script.write_text(DYING.format(root=str(Path(__file__).parents[2]), before=before))
    monkeypatch.setattr(shim_link, "_START", script)
    async with running(tmp_path, **means) as node:
        node.shell(f"echo ran > {tmp_path}/witness")
        end = await node.end()

        assert end.state is TaskState.LOST
        # Without the record it is certain that nothing ran; with it, only an empty cgroup is proof.
        assert (end.message == MAY_RUN) is (means["signals_only"] and not before)
        cgroup = record(tmp_path, layout.CLAIM)["cgroup"]
        assert not (cgroup and Path(cgroup).exists())
        assert not (tmp_path / "witness").exists()


async def test_a_process_with_the_same_task_but_another_run_is_not_hit(tmp_path: Path, marker: str) -> None:
    async with running(tmp_path, signals_only=True) as node:
        node.shell(f"sleep {marker}")
        await node.state(TaskState.RUNNING)
        # Another agent on this machine may have an attempt of the same task.
        environment = {"AGENTFLOW_TASK_ID": "t1", "AGENTFLOW_ATTEMPT": "1", layout.RUN_ID: "another"}
        with subprocess.Popen(["sleep", f"{marker}1"], env=environment) as stranger:
            os.kill(record(tmp_path, layout.CLAIM)["pid"], signal.SIGKILL)
            await node.end()

            assert stranger.poll() is None
            assert processes_with(marker) == [stranger.pid]
            stranger.kill()


async def test_processes_that_keep_forking_are_killed(tmp_path: Path, marker: str, means: dict[str, Any]) -> None:
    forking = "import os, sys, time\nwhile True:\n if not os.fork(): time.sleep(0.5); os._exit(0)\n time.sleep(0.005)"
    async with running(tmp_path, **means) as node:
        node.start(sys.executable, "-c", forking, marker)
        await eventually(lambda: len(processes_with(marker)) > 10)
        os.kill(record(tmp_path, layout.CLAIM)["pid"], signal.SIGKILL)
        await node.end()

        assert processes_with(marker) == []


async def test_a_cgroup_without_cgroup_kill_is_emptied_too(
    tmp_path: Path, marker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (parent := find_freezer_parent()):
        pytest.skip("needs cgroup version 2")
    write = Path.write_text

    def refuse(path: Path, data: str, **more: Any) -> int:
        if path.name == "cgroup.kill":
            raise OSError("as before Linux 5.14")
        return write(path, data, **more)

    monkeypatch.setattr(Path, "write_text", refuse)
    inner = "mkdir $(sed -n s,0::,,p /proc/self/cgroup | sed s,^,$MOUNT,)/inner"
    async with running(tmp_path) as node:
        node.shell(f"{inner}; sleep {marker} & sleep {marker}", environment={"MOUNT": parent})
        await eventually(lambda: len(processes_with(marker)) >= 2)
        os.kill(record(tmp_path, layout.CLAIM)["pid"], signal.SIGKILL)
        end = await node.end()

        assert end.message == "the supervisor crashed without recording the outcome"
        assert processes_with(marker) == []
        assert not Path(record(tmp_path, layout.STARTED)["cgroup"]).exists()


async def test_what_cannot_be_killed_is_said_to_run(
    tmp_path: Path, marker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "_GIVE_UP_SECONDS", 0.1)
    monkeypatch.setattr(leftovers.tree, "send", lambda entry, number: False)
    monkeypatch.setattr(leftovers, "_end_cgroup", lambda path, deadline: False)
    async with running(tmp_path) as node:
        node.shell(f"sleep {marker}")
        await node.state(TaskState.RUNNING)
        os.kill(record(tmp_path, layout.CLAIM)["pid"], signal.SIGKILL)

        assert (await node.end()).message == MAY_RUN
    cgroup = record(tmp_path, layout.STARTED)["cgroup"]
    leftovers.remove_cgroup(tmp_path / "tasks/t1.1")  # Not while a process is in it …
    assert len(processes_with(marker)) >= 1
    assert not cgroup or Path(cgroup).exists()
    for pid in processes_with(marker):
        os.kill(pid, signal.SIGKILL)

    def is_removed() -> bool:
        leftovers.remove_cgroup(tmp_path / "tasks/t1.1")  # … but when it is empty.
        return not (cgroup and Path(cgroup).exists())

    await eventually(is_removed)


async def test_a_damaged_claim_does_not_make_a_running_task_lost(tmp_path: Path, marker: str) -> None:
    async with running(tmp_path, end_left_tasks=False) as first:
        first.shell(f"sleep {marker}")
        await first.state(TaskState.RUNNING)
    claim = tmp_path / "tasks/t1.1" / layout.CLAIM
    whole = claim.read_text()
    claim.write_text("{")
    async with running(tmp_path) as second:
        assert (await second.state(TaskState.RUNNING)).pid
        claim.write_text(whole)


async def test_a_task_whose_request_is_damaged_does_not_run_on(
    tmp_path: Path, marker: str, means: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, end_left_tasks=False, **means) as first:
        first.shell(f"sleep {marker} & sleep {marker}")
        await first.state(TaskState.RUNNING)
    (tmp_path / "tasks/t1.1" / layout.REQUEST).write_text("{")
    async with running(tmp_path, **means):  # The Leader calls a task lost that its node does not report.
        assert processes_with(marker) == []
    assert "so its task is ended" in caplog.text


async def test_a_damaged_exit_record_is_replaced(tmp_path: Path) -> None:
    async with running(tmp_path) as first:
        first.start("true")
        await first.end()
        await eventually((tmp_path / "tasks/t1.1" / layout.REPORTED).exists)
    (tmp_path / "tasks/t1.1" / layout.EXIT).write_text("{")
    async with running(tmp_path) as second:
        end = await second.end()

        assert end.state is TaskState.LOST
        assert record(tmp_path, layout.EXIT)["state"] == "lost"
