"""The command log on a real file, and the command handler over real tasks."""

from __future__ import annotations

import asyncio
import sqlite3
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import pytest

from nodes.agent.runner.command_handler import CommandHandler
from nodes.agent.runner.command_log import KEPT_MS, CommandLog
from nodes.core import sqlite_space
from nodes.domain.commands import Command, ControlTask, StartTask, TaskSpec
from nodes.domain.events import CommandResult, NamedTask, Project
from nodes.domain.states import Action, CommandState, TaskState
from nodes.errors import StoreError
from tests.support.eventually import eventually
from tests.support.runner_harness import running


def command(command_id: str) -> Command:
    return Command(command_id=command_id, body=ControlTask(task_id="t1", action=Action.PAUSE))


def test_an_intent_is_stored_once_and_answered_with_its_result(tmp_path: Path) -> None:
    log = CommandLog(tmp_path / "commands.db")
    assert log.begin(command("c1"), at_ms=1) is None
    repeated = log.begin(command("c1"), at_ms=2)
    assert repeated is not None
    assert repeated.result is None
    log.close()

    log = CommandLog(tmp_path / "commands.db")
    assert [(entry.command_id, entry.result) for entry in log.unreported(journal_id="j")] == [("c1", None)]
    result = CommandResult(command_id="c1", state=CommandState.FAILED, code="busy", message="no")
    log.finish(result)
    repeated = log.begin(command("c1"), at_ms=3)
    assert repeated is not None
    assert repeated.result == result
    assert [entry.result for entry in log.unreported(journal_id="j")] == [result]
    log.reported("c1", journal_id="j")
    assert log.unreported(journal_id="j") == []
    assert [entry.result for entry in log.unreported(journal_id="another")] == [result]
    log.close()


def test_entries_older_than_seven_days_are_deleted(tmp_path: Path) -> None:
    log = CommandLog(tmp_path / "commands.db")
    log.begin(command("old"), at_ms=1_000)
    log.begin(command("new"), at_ms=2_000)
    log.trim(now_ms=KEPT_MS + 1_500)

    assert log.begin(command("old"), at_ms=KEPT_MS) is None
    assert log.begin(command("new"), at_ms=KEPT_MS) is not None
    log.close()


def test_the_file_shrinks_when_entries_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_space.shrink_step, "__kwdefaults__", {"kept_bytes": 0})
    path = tmp_path / "commands.db"
    log = CommandLog(path)
    for number in range(200):
        log.begin(command(f"{number}" + "x" * 4_000), at_ms=1_000)

    for _ in range(4):  # One step each time.
        log.trim(now_ms=KEPT_MS + 1_500)
    log.close()

    assert path.stat().st_size < 200_000


@pytest.mark.parametrize("damage", ["nonsense", "flipped pages", "truncated"])
def test_a_corrupt_command_log_is_quarantined_and_replaced(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "commands.db"
    log = CommandLog(path)
    for number in range(500):
        log.begin(command(f"c{number}"), at_ms=number)
    log.close()
    content = bytearray(path.read_bytes())
    if damage == "nonsense":
        content[:100] = b"not a database" * 8
    elif damage == "truncated":
        del content[len(content) // 2 :]
    else:
        for page in range(4096, len(content), 4096):
            content[page : page + 200] = b"\xff" * 200
    path.write_bytes(content)

    log = CommandLog(path)

    assert log.unreported(journal_id="j") == []
    assert log.begin(command("c1"), at_ms=1) is None
    assert len(list(tmp_path.glob("commands.db.corrupt-*"))) == 1
    log.close()


def test_a_command_log_that_becomes_corrupt_in_use_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "commands.db"
    log = CommandLog(path)
    for number in range(500):
        log.begin(command(f"c{number}"), at_ms=number)
    other = sqlite3.connect(path)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096))

    # A page may still be in SQLite's cache; a new command is stored anyway, if necessary in a new file.
    for number in range(500, 1000):
        assert log.begin(command(f"c{number}"), at_ms=number) is None

    assert len(list(tmp_path.glob("commands.db.corrupt-*"))) == 1
    log.close()


def test_a_command_log_that_cannot_be_opened_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot open the command log"):
        CommandLog(tmp_path / "no folder" / "commands.db")


@pytest.mark.slow
async def test_a_command_sent_ten_times_runs_once(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    async with running(tmp_path) as node:
        for _ in range(10):
            node.shell(f"echo ran >> {witness}", command_id="c1")
        await node.end()
        await eventually(lambda: len(node.results("c1")) == 11)  # One ack or answer each, and the result itself.
        node.shell(f"echo ran >> {witness}", command_id="c1")
        await eventually(lambda: len(node.results("c1")) == 12)

    assert witness.read_text() == "ran\n"
    assert node.results("c1")[-1].state is CommandState.SUCCEEDED


@pytest.mark.slow
async def test_one_attempt_is_started_once_whatever_the_command(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.start("sleep", "30")
        await node.state(TaskState.RUNNING)
        again = await node.result(node.start("sleep", "30"))
        second_attempt = await node.result(node.start("sleep", "30", attempt=2))

        assert (again.state, again.code) == (CommandState.SUCCEEDED, "repeated")
        assert (second_attempt.state, second_attempt.code) == (CommandState.FAILED, "busy")
        node.control(Action.CANCEL)
        await node.end()
        await node.result(node.start("true", attempt=2))
        await eventually(lambda: node.statuses()[-1].attempt == 2 and node.statuses()[-1].state.is_final)


@pytest.mark.slow
async def test_no_free_slot_is_busy_and_reports_no_task_state(tmp_path: Path) -> None:
    async with running(tmp_path, slots=1) as node:
        node.start("sleep", "30", task_id="t1")
        refused = await node.result(node.start("true", task_id="t2"))

        assert (refused.state, refused.code) == (CommandState.FAILED, "busy")
        assert node.statuses("t2") == []
        node.control(Action.CANCEL)
        await node.end()
        await node.result(node.start("true", task_id="t2", command_id="again"))
        assert (await node.end("t2")).state is TaskState.SUCCEEDED


@pytest.mark.slow
async def test_an_expired_command_never_runs_and_is_reported(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        body = StartTask(task_id="t1", attempt=1, spec=TaskSpec(argv=("true",)))
        # It was queued for longer than its time to live.
        late = Command(command_id="c1", body=body, ttl_seconds=5.0)
        node.runner.submit(late, asyncio.get_running_loop().time() - 6.0)
        result = await node.result("c1")

        assert (result.state, result.code) == (CommandState.EXPIRED, "expired")
        assert node.statuses() == []


@pytest.mark.slow
async def test_controls_of_ended_or_unknown_tasks(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        unknown = await node.result(node.control(Action.PAUSE, task_id="nobody"))
        node.start("true")
        await node.end()
        finished = await node.result(node.control(Action.PAUSE))

        assert (unknown.state, unknown.code) == (CommandState.FAILED, "no-such-task")
        assert (finished.state, finished.code) == (CommandState.FAILED, "finished")
        assert finished.message == "the task has already ended (succeeded)"


@pytest.mark.slow
async def test_a_refused_start_ends_the_task_with_the_reason(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        result = await node.result(node.start("true", project="nowhere"))
        end = await node.end()

        assert (result.state, result.code) == (CommandState.FAILED, "no-such-project")
        assert (end.state, end.message) == (TaskState.FAILED, "this node has no project 'nowhere'")


@pytest.mark.slow
async def test_a_cancel_right_after_its_start_waits_for_it(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.start("sleep", "30")
        first, second = node.control(Action.CANCEL), node.control(Action.CANCEL)

        assert (await node.end()).state is TaskState.CANCELLED
        assert (await node.result(first)).state is CommandState.SUCCEEDED
        assert (await node.result(second)).state is CommandState.SUCCEEDED
        # It may be reported as running twice: its input closes a moment before it ends.
        assert [state for state, _ in groupby(node.statuses(), attrgetter("state"))] == ["running", "cancelled"]


@pytest.mark.slow
async def test_commands_of_one_task_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a command that arrives when another one has just started."""
    inside: list[str] = []
    go_on = {f"c{number}": asyncio.Event() for number in (1, 2, 3)}

    async def slowly(handler: CommandHandler, command: Command, received_mono: float) -> tuple[CommandResult, None]:
        inside.append(command.command_id)
        await go_on[command.command_id].wait()
        inside.remove(command.command_id)
        return CommandResult(command_id=command.command_id, state=CommandState.SUCCEEDED), None

    monkeypatch.setattr(CommandHandler, "_carry_out", slowly)
    async with running(tmp_path) as node:
        for first in ("c1", "c2"):
            node.control(Action.PAUSE, command_id=first)
            await eventually(lambda first=first: node.results(first))  # Acknowledged: it waits for its turn.
        go_on["c1"].set()
        await eventually(lambda: inside == ["c2"])
        node.control(Action.RESUME, command_id="c3")
        await eventually(lambda: node.results("c3"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert inside == ["c2"]
        go_on["c2"].set()
        await eventually(lambda: inside == ["c3"])
        go_on["c3"].set()
        await node.result("c3")


async def test_a_named_task_of_a_project_runs_in_its_folder(tmp_path: Path) -> None:
    home = tmp_path / "web"
    home.mkdir()
    project = Project(name="web", path=str(home), tasks=(NamedTask(name="where", argv=("pwd",)),))
    async with running(tmp_path, projects=(project,), allow_commands=False) as node:
        node.start(project="web", named_task="where", working_directory="")
        await node.end()
        await eventually(lambda: node.texts() == [str(home).encode()])


async def test_the_stall_watch_uses_the_limit_of_a_named_task(tmp_path: Path) -> None:
    project = Project(
        name="web", path=str(tmp_path), tasks=(NamedTask(name="wait", argv=("cat",), stall_after_seconds=30.0),)
    )
    async with running(tmp_path, projects=(project,)) as node:
        node.start(project="web", named_task="wait", working_directory="")
        watched = await eventually(lambda: next(iter(node.runner.running()), None))
        node.control(Action.CANCEL)
        await node.end()

    assert watched.spec.stall_after_seconds == 30.0
