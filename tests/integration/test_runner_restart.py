"""An agent that dies: its tasks continue, the next one finds them, and every line is delivered exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodes.agent.runner import shim_link
from nodes.agent.runner.shim import layout
from nodes.agent.runner.task_folder import TaskFolder
from nodes.domain.states import TaskState
from tests.support.eventually import eventually
from tests.support.runner_harness import MemoryJournal, processes_with, running
from tests.support.runner_process import RunnerProcess

pytestmark = pytest.mark.slow

COUNT = """
import sys, time
for i in range({lines}):
    print(f"line {{i}}", flush=True)
    time.sleep({pause})
input()
print("last")
"""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunnerProcess]:
    process = RunnerProcess(tmp_path).start()
    yield process
    process.clean_up()


def counting(lines: int, pause: float) -> list[str]:
    return [sys.executable, "-c", COUNT.format(lines=lines, pause=pause)]


def read(path: Path) -> dict[str, object]:
    record = layout.read_record(str(path.parent), path.name)
    assert record is not None
    return record


async def test_an_agent_killed_repeatedly_loses_and_duplicates_nothing(tmp_path: Path, node: RunnerProcess) -> None:
    node.send(id="c1", argv=counting(300, 0.01))
    await eventually(lambda: node.states() == ["running"])
    for starts in range(2, 6):
        node.kill()
        node.start()
        await eventually(lambda starts=starts: len(node.states()) == starts)
    node.send(id="c2", action="input", input="\n")
    await eventually(lambda: node.states()[-1] == "succeeded")
    assert node.stop() == -signal.SIGTERM

    assert len(node.pids()) == 1
    assert set(node.states()) == {"running", "succeeded"}
    assert [told["snapshot"] for told in node.told if "snapshot" in told] == [[]] + [["t1"]] * 4
    lines = await node.journaled_lines()
    assert [number for number, _ in lines] == list(range(1, 302))
    assert [text for _, text in lines] == [b"line %d" % index for index in range(300)] + [b"last"]


async def test_an_end_without_a_running_agent_is_reported(tmp_path: Path, node: RunnerProcess) -> None:
    node.send(id="c1", argv=["sh", "-c", "sleep 0.7; echo done; exit 5"])
    await eventually(lambda: node.states() == ["running"])
    node.kill()
    await eventually((tmp_path / "tasks/t1.1" / layout.EXIT).exists)
    node.start()
    await eventually(lambda: node.states()[-1] == "failed")
    await eventually((tmp_path / "tasks/t1.1" / layout.REPORTED).exists)
    node.kill()

    # The result of the start may follow, if the first agent was killed before it reported that.
    assert [told["exit_code"] for told in node.told if told.get("state") == "failed"] == [5]
    assert await node.journaled_lines() == [(1, b"done")]
    before = len(node.states())
    node.start()
    await eventually(lambda: "snapshot" in node.told[-1])
    node.kill()
    assert len(node.states()) == before  # Reported once; nothing is left to report.


async def test_a_task_whose_supervisor_died_is_lost_and_no_process_of_it_stays(
    tmp_path: Path, node: RunnerProcess
) -> None:
    marker = f"7{uuid.uuid4().int % 10**6:06d}"
    node.send(id="c1", argv=["sh", "-c", f"sleep {marker}"])
    await eventually(lambda: node.states() == ["running"])
    os.kill(int(str(read(tmp_path / "tasks/t1.1" / layout.CLAIM)["pid"])), signal.SIGKILL)
    await eventually(lambda: node.states() == ["running", "lost"])
    node.stop()

    await eventually(lambda: processes_with(marker) == [])


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"boot_id": "another-boot"}, "the machine was restarted"),
        ({}, "the supervisor crashed without recording the outcome"),
    ],
)
async def test_an_identity_that_does_not_match_is_never_signalled(
    tmp_path: Path, node: RunnerProcess, other: dict[str, object], reason: str
) -> None:
    node.send(id="c1", argv=["sleep", "60"])
    await eventually(lambda: node.states() == ["running"])
    node.kill()
    folder = tmp_path / "tasks/t1.1"
    os.kill(int(str(read(folder / layout.CLAIM)["pid"])), signal.SIGTERM)
    await eventually((folder / layout.EXIT).exists)
    (folder / layout.EXIT).unlink()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        # As after a reboot, or after long enough: another process has the numbers now.
        for name in (layout.CLAIM, layout.STARTED):
            layout.write_record(str(folder), name, read(folder / name) | {"pid": stranger.pid} | other)
        node.start()
        await eventually(lambda: node.states()[-1] == "lost")
        node.stop()

        assert [told["message"].split(";")[0] for told in node.told if told.get("state") == "lost"] == [reason]
        assert stranger.poll() is None
        stranger.kill()


async def test_a_start_interrupted_by_the_agents_death_never_runs_later(tmp_path: Path, node: RunnerProcess) -> None:
    node.send(id="c1", argv=["true"])
    await eventually(lambda: node.states()[-1:] == ["succeeded"])
    await eventually((tmp_path / "tasks/t1.1" / layout.REPORTED).exists)
    node.kill()
    folder = tmp_path / "tasks/t1.1"
    for name in (layout.CLAIM, layout.EXIT, layout.STARTED, layout.REPORTED):
        (folder / name).unlink()
    node.start()
    await eventually(lambda: node.states()[-1] == "failed")
    node.stop()

    assert read(folder / layout.CLAIM) == {"abandoned": True}
    assert not layout.write_claim(str(folder), {"pid": 1})


async def test_a_command_repeated_over_a_restart_runs_once(tmp_path: Path, node: RunnerProcess) -> None:
    witness = tmp_path / "witness"
    argv = ["sh", "-c", f"echo ran >> {witness}; sleep 30"]
    for _ in range(5):
        node.send(id="c1", argv=argv)
    await eventually(lambda: len(node.results("c1")) >= 5 and ("succeeded", "") in node.results("c1"))
    node.kill()
    node.start()
    for _ in range(5):
        node.send(id="c1", argv=argv)
    await eventually(lambda: node.results("c1")[-5:] == [("succeeded", "")] * 5)
    node.send(id="c2", action="cancel")
    await eventually(lambda: node.states()[-1] == "cancelled")
    node.stop()

    assert witness.read_text() == "ran\n"


async def test_a_cancel_survives_the_agent_and_is_answered_by_the_next(tmp_path: Path, node: RunnerProcess) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1); time.sleep(60)"
    node.send(id="c1", argv=[sys.executable, "-uc", stubborn])
    await eventually((tmp_path / "tasks/t1.1" / layout.OUTPUT).exists)
    await eventually(lambda: (tmp_path / "tasks/t1.1" / layout.OUTPUT).stat().st_size)
    node.send(id="c2", action="cancel")
    await eventually((tmp_path / "tasks/t1.1" / layout.CONTROLS).exists)
    node.kill()
    node.start()
    await eventually(lambda: node.results("c2")[-1] == ("succeeded", ""), timeout=20)
    node.stop()

    assert node.states()[-1] == "cancelled"


async def test_unreadable_records_do_not_mean_that_nothing_happened(tmp_path: Path, node: RunnerProcess) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1); time.sleep(60)"
    node.send(id="c1", argv=[sys.executable, "-uc", stubborn])
    await eventually((tmp_path / "tasks/t1.1" / layout.OUTPUT).exists)
    await eventually(lambda: (tmp_path / "tasks/t1.1" / layout.OUTPUT).stat().st_size)
    node.send(id="c2", action="cancel")
    controls = tmp_path / "tasks/t1.1" / layout.CONTROLS
    await eventually(controls.exists)
    node.kill()
    controls.unlink()
    controls.mkdir()
    node.start()
    await eventually(lambda: node.results("c2")[-1] == ("unknown", "unknown"), timeout=20)
    node.stop()


async def test_a_finished_task_leaves_its_folder_after_the_retention(tmp_path: Path) -> None:
    journal = MemoryJournal()
    async with running(tmp_path, journal=journal) as first:
        command = first.start("echo", "hello")
        await first.end()
        await first.result(command)
        await eventually(lambda: journal.cursors.get("t1.1"))
        await eventually((tmp_path / "tasks/t1.1" / layout.REPORTED).exists)
    told = len(journal.payloads)
    async with running(tmp_path, journal=journal) as second:
        assert second.runner.snapshot_tasks() == ()
        assert (tmp_path / "tasks/t1.1").exists()

    async with running(tmp_path, journal=journal, retention_seconds=0.0, sweep_seconds=0.05):
        await eventually(lambda: not (tmp_path / "tasks/t1.1").exists())
        await eventually(lambda: journal.cursors == {})
    assert len(journal.payloads) == told


async def test_only_the_newest_finished_tasks_keep_their_folders(tmp_path: Path) -> None:
    journal = MemoryJournal()
    async with running(tmp_path, journal=journal, retained_tasks=2, sweep_seconds=0.05) as node:
        for task_id in ("t1", "t2", "t3", "t4"):
            node.start("echo", "hello", task_id=task_id)
            await node.end(task_id)

        await eventually(lambda: names_in(tmp_path / "tasks") == ["t3.1", "t4.1"])
        await eventually(lambda: sorted(journal.cursors) == ["t3.1", "t4.1"])
        assert [len(node.lines(task_id)) for task_id in ("t1", "t4")] == [1, 1]


async def test_an_end_is_reported_again_although_its_folder_is_deleted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = MemoryJournal()
    async with running(tmp_path, journal=journal) as node:
        node.start("true")
        await node.end()
        await eventually((tmp_path / "tasks/t1.1" / layout.REPORTED).exists)
        journal.payloads.clear()
        TaskFolder(tmp_path / "tasks/t1.1").remove()

        journal.journal_id = "another"
        node.runner.report_again()

        await node.end()
        await eventually(lambda: node.runner.snapshot_tasks() == ())
    assert "not marked as reported" not in caplog.text


async def test_an_interrupted_removal_is_completed_at_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = MemoryJournal()
    async with running(tmp_path, journal=journal) as first:
        first.start("echo", "hello")
        await first.end()
        await eventually((tmp_path / "tasks/t1.1" / layout.REPORTED).exists)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TaskFolder, "discard", lambda folder: (folder.path / layout.REQUEST).unlink())  # And dies.
        TaskFolder(tmp_path / "tasks/t1.1").remove()

    async with running(tmp_path, journal=journal):
        await eventually(lambda: names_in(tmp_path / "tasks") == [])
    assert "no readable request" not in caplog.text


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_paused_task_is_found_paused_and_continues(tmp_path: Path, node: RunnerProcess) -> None:
    node.send(id="c1", argv=counting(100, 0.02))
    await eventually(lambda: node.states() == ["running"])
    node.send(id="c2", action="pause")
    await eventually(lambda: node.results("c2")[-1:] == [("succeeded", "")])
    node.kill()
    node.start()
    await eventually(lambda: node.states()[-2:] == ["paused", "paused"])
    node.send(id="c3", action="resume")
    node.send(id="c4", action="input", input="\n")
    await eventually(lambda: node.states()[-1] == "succeeded")
    node.stop()

    assert "running" in node.states()[2:]
    assert len(await node.journaled_lines()) == 101


async def test_a_shim_that_cannot_start_fails_its_task_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemError('no such luck')")
    monkeypatch.setattr(shim_link, "_START", broken)
    async with running(tmp_path) as harness:
        command = harness.start("true")
        end = await harness.end()

        assert (end.state, end.message) == (TaskState.FAILED, "could not start: SystemError: no such luck")
        assert (await harness.result(command)).code == "cannot-start"
