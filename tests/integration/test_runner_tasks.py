"""Tasks as real processes under real shims: start, output, input, control, end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import uuid
from pathlib import Path

import pytest

from nodes.agent.runner import shim_link
from nodes.agent.runner.config import OutputLimits
from nodes.agent.runner.task_folder import TaskFolder
from nodes.core.project_secrets import ProjectSecrets
from nodes.domain.events import NamedTask, Project
from nodes.domain.states import Action, CommandState, LogLevel, LogStream, TaskState
from tests.support.eventually import eventually
from tests.support.runner_harness import cpu_ticks, processes_with, running

pytestmark = pytest.mark.slow


async def test_a_task_runs_and_its_end_is_reported(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        command = node.start("sh", "-c", "echo one; echo two >&2; exit 3", name="build")
        end = await node.end()

        assert (end.state, end.exit_code, end.message) == (TaskState.FAILED, 3, "exit code 3")
        assert end.started_at_ms > 0
        assert end.ended_at_ms >= end.started_at_ms
        assert end.peak_memory_bytes > 0
        await eventually(lambda: len(node.lines()) == 2)
        assert {(line.stream, line.text) for line in node.lines()} == {
            (LogStream.STDOUT, b"one"),
            (LogStream.STDERR, b"two"),
        }
        states = [status.state for status in node.statuses()]
        assert states == [TaskState.RUNNING, TaskState.FAILED]
        first = node.statuses()[0]
        assert first.pid > 0
        assert first.request is not None
        assert first.request.spec.argv[0] == "sh"
        assert first.request.resolved is not None
        assert first.request.resolved.argv == first.request.spec.argv
        assert (await node.result(command)).state is CommandState.SUCCEEDED
        assert [result.state for result in node.results(command)] == [CommandState.ACKED, CommandState.SUCCEEDED]


async def test_a_clock_change_affects_no_duration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "hour_later.py"
    script.write_text(HOUR_LATER.format(root=str(Path(__file__).parents[2]), moved=str(tmp_path / "moved")))
    monkeypatch.setattr(shim_link, "_START", script)
    async with running(tmp_path) as node:
        node.start("sh", "-c", "read line; sleep 0.2; echo $line", timeout_seconds=30.0)
        await node.state(TaskState.RUNNING)
        node.control(Action.PAUSE)
        await node.state(TaskState.PAUSED)
        (tmp_path / "moved").touch()
        node.control(Action.RESUME)
        node.control(Action.INPUT, input=b"x\n")
        end = await node.end()

        assert end.state is TaskState.SUCCEEDED  # The clock change of an hour does not count towards its timeout.
        assert 200 <= end.ended_at_ms - end.started_at_ms < 20_000
        assert end.paused_seconds < 20
        await eventually(node.lines)
        assert node.lines()[0].at_ms > end.started_at_ms + 3_000_000  # Wall-clock time, as the clock shows it.


HOUR_LATER = """
import os, sys
sys.path.insert(0, {root!r})
from nodes.agent.runner.shim import start, supervisor
real = supervisor.now_ms
supervisor.now_ms = start.now_ms = lambda: real() + 3_600_000 * os.path.exists({moved!r})
sys.exit(start.main(sys.argv[1], int(sys.argv[2])))
"""


async def test_a_prompt_is_reported_and_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.start(sys.executable, "-c", "n = input('Name: '); print('hello', n)")
        await eventually(lambda: node.texts() == [b"Name: "])
        command = node.control(Action.INPUT, input=b"Ada\n")
        end = await node.end()

        assert end.state is TaskState.SUCCEEDED
        assert (await node.result(command)).state is CommandState.SUCCEEDED
        await eventually(lambda: node.texts() == [b"Name: ", b"hello Ada"])


async def test_input_can_be_closed(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.start("cat")
        await node.state(TaskState.RUNNING)
        assert node.statuses()[-1].accepts_input
        node.control(Action.INPUT, input=b"last words", close_input=True)

        assert (await node.end()).state is TaskState.SUCCEEDED
        await eventually(lambda: node.texts() == [b"last words"])


async def test_a_task_without_input_reads_its_end_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.start("cat", close_input=True)

        assert (await node.end()).state is TaskState.SUCCEEDED
        assert not node.statuses()[0].accepts_input


async def test_input_to_a_task_that_has_closed_it_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.shell("exec 0<&-; sleep 30")
        await eventually(lambda: node.statuses() and not node.statuses()[-1].accepts_input)

        result = await node.result(node.control(Action.INPUT, input=b"x\n"))

        assert (result.state, result.code) == (CommandState.FAILED, "input-closed")
        node.control(Action.CANCEL)
        await node.end()


@pytest.mark.parametrize("signals_only", [False, True], ids=["cgroup-if-usable", "signals"])
async def test_pause_stops_the_whole_tree_and_resume_continues_it(tmp_path: Path, signals_only: bool) -> None:
    marker = uuid.uuid4().hex
    spin = f"import sys; '{marker}'\nwhile True: pass"
    tree = f"""
import os, subprocess, sys
spin = {spin!r}
subprocess.Popen([sys.executable, "-c", spin], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", spin])
    os._exit(0)
exec(spin)
"""
    async with running(tmp_path, signals_only=signals_only, term_grace_seconds=2.0) as node:
        node.start(sys.executable, "-c", tree)
        await eventually(lambda: len(processes_with(marker)) == 3)
        pids = processes_with(marker)

        paused = await node.result(node.control(Action.PAUSE))
        status = node.statuses()[-1]
        before = cpu_ticks(pids)
        await asyncio.sleep(0.5)  # Waits to see that nothing moves.
        held = cpu_ticks(pids) - before
        await node.result(node.control(Action.RESUME))

        assert (paused.state, paused.code) == (CommandState.SUCCEEDED, "")
        assert (status.state, status.partial_pause) == (TaskState.PAUSED, False)
        assert held == 0
        assert node.statuses()[-1].state is TaskState.RUNNING
        await eventually(lambda: cpu_ticks(pids) > before + 3)
        node.control(Action.PAUSE)
        await node.result(node.control(Action.CANCEL))
        end = await node.end()
        assert end.state is TaskState.CANCELLED
        assert end.cpu_seconds > 0.03
        assert end.paused_seconds >= 0.5
        assert processes_with(marker) == []


async def test_a_child_that_ignores_term_is_killed(tmp_path: Path) -> None:
    marker = uuid.uuid4().hex
    ignore = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up')"
    code = f"{ignore}; '{marker}'\nwhile True: time.sleep(1)"
    async with running(tmp_path, term_grace_seconds=0.5) as node:
        node.start(sys.executable, "-c", code)
        await eventually(lambda: node.texts() == [b"up"])
        command = node.control(Action.CANCEL, reason="wrong branch")
        end = await node.end()

        assert end.state is TaskState.CANCELLED
        assert end.exit_code == -9
        assert end.message.startswith("cancelled: wrong branch; killed")
        assert processes_with(marker) == []
        assert (await node.result(command)).state is CommandState.SUCCEEDED


async def test_leftover_processes_are_ended_with_the_task(tmp_path: Path) -> None:
    marker = f"4{uuid.uuid4().int % 10**6:06d}"
    async with running(tmp_path) as node:
        node.shell(f"setsid sleep {marker} & echo started")
        end = await node.end()

        assert (end.state, end.exit_code) == (TaskState.SUCCEEDED, 0)
        assert processes_with(marker) == []
        await eventually(lambda: len(node.lines()) == 2)
        assert node.lines()[1].text == b"ending 1 processes left behind by the task"


async def test_time_out_does_not_count_the_pause(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.start("sleep", "60", timeout_seconds=1.0)
        await node.state(TaskState.RUNNING)
        await node.result(node.control(Action.PAUSE))
        await asyncio.sleep(1.3)  # Longer than the timeout.
        assert node.statuses()[-1].state is TaskState.PAUSED
        await node.result(node.control(Action.RESUME))
        end = await node.end()

        assert end.state is TaskState.TIMED_OUT
        assert end.message == "timed out after 1 s"
        assert end.paused_seconds > 1.2
        assert 2_200 < end.ended_at_ms - end.started_at_ms < 6_000


async def test_command_not_found(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        command = node.start("no-such-command-here", "x")
        end = await node.end()

        assert (end.state, end.exit_code) == (TaskState.FAILED, 127)
        assert end.message == "command not found: no-such-command-here"
        result = await node.result(command)
        assert (result.state, result.code) == (CommandState.FAILED, "cannot-start")


async def test_a_file_that_cannot_be_run(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    async with running(tmp_path) as node:
        node.start("./notes.txt")
        end = await node.end()

        assert (end.state, end.exit_code) == (TaskState.FAILED, 126)
        assert end.message == "cannot run ./notes.txt: Permission denied"


async def test_missing_working_folder(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.start("true", working_directory="/nowhere/at/all")
        end = await node.end()

        assert (end.state, end.exit_code) == (TaskState.FAILED, 126)
        assert end.message == "working folder does not exist: /nowhere/at/all"


async def test_hostile_output_arrives_unchanged(tmp_path: Path) -> None:
    code = r"""
import sys
out = sys.stdout.buffer
out.write(b"\xff\xfe \x00 \xed\xa0\x80\n")
out.write(b"x" * 1_000_000 + b"\n")
out.write(b"after\r\n")
out.write(b"no end")
"""
    async with running(tmp_path) as node:
        node.start(sys.executable, "-c", code)
        await node.end()
        await eventually(lambda: len(node.lines()) == 4)

        first, long, after, last = node.lines()
        assert first.text == b"\xff\xfe \x00 \xed\xa0\x80"
        assert (long.text, long.truncated_bytes) == (b"x" * 16384, 1_000_000 - 16384)
        assert after.text == b"after"
        assert last.text == b"no end"


async def test_a_flood_is_dropped_and_counted_exactly(tmp_path: Path) -> None:
    code = "import sys\nline = b'y' * 99 + b'\\n'\nfor _ in range(1000): sys.stdout.buffer.write(line * 1000)"
    limits = OutputLimits(lines_per_second=2_000, bytes_per_second=1 << 20, burst_seconds=1.0)
    async with running(tmp_path, limits=limits) as node:
        node.start(sys.executable, "-c", code)
        end = await node.end(timeout=60)
        assert end.state is TaskState.SUCCEEDED

        def counted() -> bool:
            notices = [line for line in node.lines() if line.stream is LogStream.SYSTEM]
            suppressed = sum(int(line.text.split()[0]) for line in notices)
            return len(node.texts()) + suppressed == 1_000_000 and suppressed == end.suppressed_lines

        await eventually(counted)
        assert end.suppressed_lines > 900_000
        assert all(text == b"y" * 99 for text in node.texts())


async def test_progress_lines_are_progress_and_no_log(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.shell("echo a; echo '::agentflow progress=0.4 message=linking it::'; echo b; sleep 60")
        await eventually(lambda: node.statuses() and node.statuses()[-1].progress == 0.4)

        assert node.statuses()[-1].message == "linking it"
        assert node.texts() == [b"a", b"b"]
        node.control(Action.CANCEL)
        await node.end()


@pytest.mark.parametrize(("exit_code", "message"), [(0, "all of it"), (3, "exit code 3")])
async def test_final_progress_is_reported_with_the_end(tmp_path: Path, exit_code: int, message: str) -> None:
    """The last progress report is read when the task is known to be over."""
    async with running(tmp_path) as node:
        for number in range(10):
            task_id = f"t{number}"
            node.shell(f"echo '::agentflow progress=1 message=all of it::'; exit {exit_code}", task_id=task_id)
            end = await node.end(task_id)
            assert (end.progress, end.message) == (1.0, message)


async def test_levels_come_from_the_words(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.shell("echo plain >&2; echo 'ERROR: broken'; echo '12:00:01 WARN slow'; echo 'level=debug x'")
        await node.end()
        await eventually(lambda: len(node.lines()) == 4)

        levels = {line.text.split()[0]: line.level for line in node.lines()}
        assert levels == {
            b"plain": LogLevel.INFO,
            b"ERROR:": LogLevel.ERROR,
            b"12:00:01": LogLevel.WARNING,
            b"level=debug": LogLevel.DEBUG,
        }


async def test_a_line_that_is_no_marker_stays_a_line(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.shell("echo '::agentflow hello::'; echo '::agentflow progress=0.5::'; echo '::agentflow progress=x::'")
        await node.end()
        await eventually(lambda: len(node.texts()) == 2)

        assert node.texts() == [b"::agentflow hello::", b"::agentflow progress=x::"]


async def test_secrets_in_the_output_are_hidden_and_counted(tmp_path: Path) -> None:
    secrets = {"shop": ProjectSecrets(patterns=("WS-[0-9]+",), values=("blue monkey",))}
    projects = (Project(name="shop", path=str(tmp_path)),)
    async with running(tmp_path, projects=projects, secrets=secrets) as node:
        node.shell(
            "echo 'DB_PASS=hunter2 WS-77'; echo 'the blue monkey'; yes password=hunter2 | head -200 | tr '\\n' ' '",
            project="shop",
            name="the blue monkey",
        )
        end = await node.end()
        await eventually(lambda: len(node.texts()) == 3)

        assert node.texts() == [b"DB_PASS=[redacted] [redacted]", b"the [redacted]", b"[withheld]"]
        assert (end.redacted, end.withheld_lines, end.name) == (3, 1, "the [redacted]")
        left = [path for path in tmp_path.rglob("*") if path.is_file() and b"monkey" in path.read_bytes()]
        assert [path.name for path in left] == ["request.json"]  # The request itself, which only its owner may read.


async def test_tasks_do_not_see_the_nodes_secrets(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.start("env", environment={"MINE": "1"})
        await node.end()
        await eventually(lambda: any(t.startswith(b"MINE=") for t in node.texts()))

        names = {text.partition(b"=")[0].decode() for text in node.texts()}
        assert {"PATH", "MINE", "AGENTFLOW_TASK_ID"} <= names
        assert not {name for name in names if "TOKEN" in name or name.startswith("PYTEST")}


async def test_a_task_has_the_usual_umask_and_its_shim_a_private_one(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.start("sh", "-c", "umask; grep Umask /proc/$PPID/status")
        await node.end()
        await eventually(lambda: len(node.lines()) == 2)

        assert node.texts() == [b"0022", b"Umask:\t0077"]


async def test_a_task_that_kills_its_own_group_does_not_reach_its_shim(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.shell("kill -KILL 0; sleep 5")
        end = await node.end()

        assert (end.state, end.exit_code, end.message) == (TaskState.FAILED, -9, "ended by SIGKILL")


async def test_secrets_never_reach_the_output_file(tmp_path: Path) -> None:
    async with running(tmp_path) as harness:
        line = (
            "for c in c a n a r y - 5 f 3 a; do printf %s $c; sleep 0.25; done; echo; echo $DEPLOY_TOKEN; env | grep D"
        )
        harness.shell(line, environment={"DEPLOY_TOKEN": "canary-5f3a"})
        await harness.end()
        await eventually(lambda: len(harness.texts()) >= 3, message="the lines")
        assert b"[redacted]" in harness.texts()
        assert b"DEPLOY_TOKEN=[redacted]" in harness.texts()
        (output,) = tmp_path.glob("tasks/*/output.bin")
        assert b"5f3a" not in output.read_bytes()


async def test_a_changed_configuration_counts_for_tasks_that_start_from_now_on(tmp_path: Path) -> None:
    def project(word: str) -> Project:
        return Project(name="web", path=str(tmp_path), tasks=(NamedTask(name="say", argv=("sh", "-c", word)),))

    async with running(tmp_path, slots=1, projects=(project("read line; echo old $line"),)) as node:
        node.start(task_id="t1", project="web", named_task="say", working_directory="")
        await node.state(TaskState.RUNNING)
        secrets = {"web": ProjectSecrets(values=("hunter2",))}
        new = (project("echo new hunter2"),)
        node.runner.reconfigure(slots=2, allow_commands=False, projects=new, secrets=secrets)
        node.start(task_id="t2", project="web", named_task="say", working_directory="")

        await node.end("t2")
        assert node.texts("t2") == [b"new [redacted]"]
        refused = node.start("true", task_id="t3")
        assert (await node.result(refused)).code == "forbidden"
        node.control(Action.INPUT, input=b"definition\n")
        await node.end("t1")
        assert node.texts("t1") == [b"old definition"]


async def test_a_hang_up_ends_neither_supervisor_nor_task(tmp_path: Path) -> None:
    async with running(tmp_path) as node:
        node.start("cat")
        await node.state(TaskState.RUNNING)
        supervisor = TaskFolder(tmp_path / "tasks/t1.1").supervisor_pid()
        os.kill(supervisor, signal.SIGHUP)
        node.control(Action.INPUT, input=b"still here\n", close_input=True)

        assert (await node.end()).state is TaskState.SUCCEEDED
        assert node.texts() == [b"still here"]
