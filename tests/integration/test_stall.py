"""Real processes under a real runner and its shims, watched with an accelerated clock: thresholds are parameters."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nodes.agent.stall.memory import RunMemory
from nodes.agent.stall.verdicts import Limits
from nodes.agent.stall.watch import StallWatch
from nodes.domain.events import StallAlert
from nodes.domain.states import Action, CommandState, TaskHealth, TaskState
from tests.support.eventually import eventually
from tests.support.runner_harness import MemoryJournal, RunnerHarness, running

pytestmark = pytest.mark.slow

FAST = Limits(quiet_seconds=2.0, stalled_seconds=4.0, waiting_seconds=0.8, cpu_share=0.15, written_bytes=64)
SAMPLE_SECONDS = 0.25
H, Q, W, S = TaskHealth.HEALTHY, TaskHealth.QUIET, TaskHealth.WAITING, TaskHealth.STALLED


@asynccontextmanager
async def watched(
    folder: Path, *, cursors: dict[str, int] | None = None, **config: object
) -> AsyncIterator[RunnerHarness]:
    watch: StallWatch
    journal = MemoryJournal()
    journal.cursors.update(cursors or {})
    # The watch does not exist yet: the two need each other.
    wake = lambda: watch.wake()  # noqa: E731, PLW0108
    async with running(folder, journal=journal, on_running=wake, **config) as harness:
        watch = StallWatch(
            harness.runner.running,
            emit=journal.emit,
            memory=RunMemory(folder / "runs.json"),
            succeeded=harness.runner.succeeded,
            limits=FAST,
            sample_seconds=SAMPLE_SECONDS,
        )
        watching = asyncio.create_task(watch.run())
        watch.wake()
        try:
            yield harness
        finally:
            watch.request_stop()
            await watching


def alerts(harness: RunnerHarness, task_id: str) -> list[StallAlert]:
    return [p for p in harness.journal.payloads if isinstance(p, StallAlert) and p.task_id == task_id]


def told(harness: RunnerHarness, task_id: str) -> list[TaskHealth]:
    return [alert.verdict for alert in alerts(harness, task_id)]


def python(program: str) -> str:
    return f"exec {shlex.quote(sys.executable)} -c {shlex.quote(program)}"


SPIN = "import time\nend = time.time() + {}\nwhile time.time() < end: pass\n"

# Each program, and the reports about it in order, after it has run for long enough.
BEHAVIOURS: dict[str, tuple[str, list[TaskHealth]]] = {
    "busy-loop": (python(SPIN.format(60)), []),
    "sleeps-for-ever": ("sleep 600", [Q, S]),
    "sh-read": ("read answer; sleep 600", [W]),
    "python-input": (python("input('go on? ')"), [W]),
    "grandchild-reads": ("sh -c 'sh -c \"read answer; true\"; true'; true", [W]),
    "prompt-without-newline": ("printf 'Password: '; read answer; true", [W]),
    "select-on-stdin": (python("import select; select.select([0], [], [])"), [W]),
    "dup-of-stdin": ("exec 5<&0 </dev/null; read answer <&5; true", [W]),
    "steady-ticks": ("while :; do echo tick; sleep 1; done", []),
    "network-wait": (
        python("import socket; s = socket.create_server(('127.0.0.1', 0)); s.accept()"),
        [Q, S],
    ),
    "disk-writer": ("while :; do head -c 9000 /dev/zero > scratch; sleep 0.1; done", []),
    "lock-wait": ("flock held sleep 600", [Q, S]),
    "child-works-parent-waits": (f"{python(SPIN.format(60)).removeprefix('exec ')} & wait", []),
    "zombie-left": (python("import os, time\nif os.fork(): time.sleep(600)"), [Q, S]),
    "stdin-closed": ("exec <&-; sleep 600", [Q, S]),
    "reads-another-pipe": ("sleep 600 | cat", [Q, S]),
    "reads-a-child": (
        python("import subprocess; subprocess.run(['sleep', '600'], stdout=subprocess.PIPE)"),
        [Q, S],
    ),
    "stopped-child": ("sleep 601 & kill -STOP $!; wait", [Q, S]),
    "burst-then-silence": (python(SPIN.format(1) + "time.sleep(600)"), [Q, S]),
    "log-flood": ("while :; do echo a line of the flood; done", []),
    "reader-beside-work": (f"cat <&0 & {python(SPIN.format(60))}", []),
}


async def test_verdicts_of_real_behaviours(tmp_path: Path) -> None:
    lock = await asyncio.create_subprocess_exec("flock", str(tmp_path / "held"), "sleep", "600")
    try:
        async with watched(tmp_path, slots=40) as harness:
            for name, (line, _) in BEHAVIOURS.items():
                harness.shell(line, task_id=name)
            harness.shell("sleep 600", task_id="paused")
            await harness.state(TaskState.RUNNING, task_id="paused")
            await harness.result(harness.control(Action.PAUSE, task_id="paused"))
            expected = {name: verdicts for name, (_, verdicts) in BEHAVIOURS.items()}
            for name, verdicts in expected.items():
                last = verdicts[-1:]
                await eventually(lambda n=name, v=last: told(harness, n)[-1:] == v, timeout=40, message=name)
            await asyncio.sleep(FAST.stalled_seconds)  # Healthy tasks must stay healthy for this long.
            # Quiet is ignored: on a busy machine a task may be sampled too late for it.
            settled = {name: [v for v in told(harness, name) if v is not Q] for name in expected}
            assert settled == {name: [v for v in verdicts if v is not Q] for name, verdicts in expected.items()}
            assert told(harness, "paused") == []
    finally:
        lock.terminate()
        await lock.wait()


async def test_answer_makes_a_waiting_task_recover_and_evidence_is_complete(tmp_path: Path) -> None:
    async with watched(tmp_path) as harness:
        harness.shell(python("print('step 1')\nname = input('name? ')\nprint('hello', name)\n" + SPIN.format(30)))
        await eventually(lambda: told(harness, "t1") == [W], timeout=20, message="waiting")
        (alert,) = alerts(harness, "t1")
        evidence = {item.kind: item.text for item in alert.evidence}
        assert evidence["lines"].splitlines() == ["step 1", "name? "]
        assert "pipe_read" in evidence["processes"]
        assert "output=" in evidence["metrics"]
        assert "py-spy" in evidence["stacks"] or "<module>" in evidence["stacks"]
        assert len({item.id for item in alert.evidence}) == 4
        assert sum(len(item.text.encode()) for item in alert.evidence) < 200 * 1024
        assert "standard input" in alert.reason
        assert (await harness.result(harness.control(Action.INPUT, input=b"Ann\n"))).state is CommandState.SUCCEEDED
        await eventually(lambda: told(harness, "t1") == [W, H], timeout=20, message="recovered")
        assert "hello Ann" in [text.decode() for text in harness.texts()]


async def test_task_found_again_is_judged_with_its_last_lines(tmp_path: Path) -> None:
    async with watched(tmp_path, end_left_tasks=False) as harness:
        harness.shell("echo before; read answer; sleep 600")
        await eventually(lambda: told(harness, "t1") == [W], timeout=20, message="waiting")
        await eventually(lambda: harness.texts() == [b"before"], message="its line")
        cursors = harness.journal.cursors
    async with watched(tmp_path, cursors=cursors) as harness:
        await eventually(lambda: told(harness, "t1") == [W], timeout=20, message="the next agent reports waiting")
        (alert,) = alerts(harness, "t1")
        assert next(item.text for item in alert.evidence if item.kind == "lines") == "before"


async def test_a_successful_run_is_remembered(tmp_path: Path) -> None:
    async with watched(tmp_path) as harness:
        harness.shell("echo a; sleep 3; echo b", task_id="first")
        assert (await harness.end("first")).state is TaskState.SUCCEEDED
        await eventually((tmp_path / "runs.json").exists, timeout=10, message="the memory")
        harness.shell("echo a; sleep 3; echo b", task_id="second")
        await harness.end("second")
        assert Q in told(harness, "first")
        assert told(harness, "second") == []


async def test_without_tasks_nothing_is_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle agent has no sampling timer."""
    looks = []
    original = StallWatch._look
    monkeypatch.setattr(StallWatch, "_look", lambda self: looks.append(1) or original(self))
    async with watched(tmp_path):
        await eventually(lambda: looks == [1], message="the first sample")
        await asyncio.sleep(SAMPLE_SECONDS * 4)
        assert looks == [1]


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to switch users")
def test_an_unprivileged_user_sees_the_read_of_its_own_process() -> None:
    program = (
        "import os, subprocess, sys, time; sys.path.insert(0, os.getcwd())\n"
        "from nodes.agent.stall.processes import reads_stdin, tree_of\n"
        "p = subprocess.Popen(['sh', '-c', 'read x'], stdin=subprocess.PIPE)\n"
        "inode = os.fstat(p.stdin.fileno()).st_ino\n"
        "end = time.time() + 10\n"
        "while time.time() < end:\n"
        "    if any(reads_stdin(x, inode) for x in tree_of(os.getpid())): print('seen'); break\n"
        "p.kill(); p.wait()\n"
    )
    done = subprocess.run(
        ["/usr/bin/env", "python3", "-c", program], user=65534, group=65534, capture_output=True, text=True, timeout=30
    )
    if "ermission" in done.stderr:
        pytest.skip(f"this folder is not readable by other users: {done.stderr.strip().splitlines()[-1]}")
    assert done.stdout == "seen\n", done.stderr
