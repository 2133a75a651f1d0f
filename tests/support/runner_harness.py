"""A real runner with real shims and processes; only its journal is a list."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from nodes.agent.runner.config import OutputLimits, RunnerConfig
from nodes.agent.runner.environment import base_environment
from nodes.agent.runner.freezer import find_freezer_parent
from nodes.agent.runner.runner import Runner
from nodes.core.clock import SystemClock
from nodes.domain.commands import Command, ControlTask, StartTask, TaskSpec
from nodes.domain.events import CommandResult, LogBatch, LogLine, Payload, TaskStatus
from nodes.domain.states import Action, CommandState, LogStream, TaskState
from tests.support.eventually import eventually


class MemoryJournal:
    """Keeps what is emitted, with the cursors, as one commit would."""

    def __init__(self) -> None:
        self.payloads: list[Payload] = []
        self.ephemeral: list[Payload] = []  # Those that need not be durable.
        self.cursors: dict[str, int] = {}
        self.journal_id = "memory"

    async def emit(self, payload: Payload, *, cursor: tuple[str, int] | None = None, ephemeral: bool = False) -> None:
        await asyncio.sleep(0)
        self.payloads.append(payload)
        if ephemeral:
            self.ephemeral.append(payload)
        if cursor is not None:
            self.cursors[cursor[0]] = cursor[1]

    async def forget(self, key: str) -> None:
        self.cursors.pop(key, None)

    def cursor(self, key: str) -> int:
        return self.cursors.get(key, 0)


class RunnerHarness:
    def __init__(self, runner: Runner, journal: MemoryJournal, folder: Path) -> None:
        self.runner = runner
        self.journal = journal
        self.folder = folder
        self._numbers = itertools.count(1)

    # -- requests -------------------------------------------------------------------------------

    def start(self, *argv: str, task_id: str = "t1", attempt: int = 1, command_id: str = "", **spec: Any) -> str:
        spec.setdefault("working_directory", str(self.folder))
        body = StartTask(task_id=task_id, attempt=attempt, spec=TaskSpec(argv=argv, **spec))
        return self.submit(body, command_id=command_id)

    def shell(self, line: str, **more: Any) -> str:
        return self.start(shell_line=line, **more)

    def control(self, action: Action, task_id: str = "t1", **more: Any) -> str:
        command_id = more.pop("command_id", "")
        return self.submit(ControlTask(task_id=task_id, action=action, **more), command_id=command_id)

    def submit(self, body: StartTask | ControlTask, *, command_id: str = "", ttl_seconds: float = 0.0) -> str:
        command_id = command_id or f"c{next(self._numbers)}-{os.urandom(3).hex()}"
        command = Command(command_id=command_id, body=body, ttl_seconds=ttl_seconds)
        self.runner.submit(command, SystemClock().mono())
        return command_id

    async def result(self, command_id: str, timeout: float = 20.0) -> CommandResult:
        def final() -> CommandResult | None:
            return next((r for r in self.results(command_id) if r.state is not CommandState.ACKED), None)

        return await eventually(final, timeout=timeout, message=f"result of {command_id}")

    async def state(self, *states: TaskState, task_id: str = "t1", timeout: float = 20.0) -> TaskStatus:
        def reached() -> TaskStatus | None:
            return next((s for s in self.statuses(task_id) if s.state in states), None)

        return await eventually(reached, timeout=timeout, message=f"{task_id} in {states}")

    async def end(self, task_id: str = "t1", timeout: float = 20.0) -> TaskStatus:
        ends = [state for state in TaskState if state.is_final]
        return await self.state(*ends, task_id=task_id, timeout=timeout)

    # -- results --------------------------------------------------------------------------------

    def statuses(self, task_id: str = "t1") -> list[TaskStatus]:
        return [p for p in self.journal.payloads if isinstance(p, TaskStatus) and p.task_id == task_id]

    def results(self, command_id: str) -> list[CommandResult]:
        return [p for p in self.journal.payloads if isinstance(p, CommandResult) and p.command_id == command_id]

    def lines(self, task_id: str = "t1") -> list[LogLine]:
        """All lines, after checking that their numbers have no gap and no duplicate."""
        found: list[LogLine] = []
        for batch in self.journal.payloads:
            if isinstance(batch, LogBatch) and batch.task_id == task_id:
                assert batch.first_line == len(found) + 1
                assert len(batch.lines) <= 500
                found += batch.lines
        return found

    def texts(self, task_id: str = "t1") -> list[bytes]:
        return [line.text for line in self.lines(task_id) if line.stream is not LogStream.SYSTEM]


@asynccontextmanager
async def running(
    folder: Path,
    *,
    journal: MemoryJournal | None = None,
    signals_only: bool = False,
    end_left_tasks: bool = True,
    on_running: Callable[[], None] = lambda: None,
    **config: Any,
) -> AsyncIterator[RunnerHarness]:
    """A runner on `folder`; leaving the block stops it, and by default its tasks."""
    journal = journal or MemoryJournal()
    config.setdefault("slots", 4)
    config.setdefault("environment", base_environment(os.environ))
    config.setdefault("limits", OutputLimits())
    runner = Runner(
        RunnerConfig(
            tasks_folder=folder / "tasks",
            command_log_path=folder / "commands.db",
            cgroup_parent="" if signals_only else find_freezer_parent(),
            **config,
        ),
        emit=journal.emit,
        journal_id=lambda: journal.journal_id,
        logs_cursor=journal.cursor,
        forget_cursor=journal.forget,
        on_running=on_running,
    )
    await runner.prepare()
    running_task = asyncio.create_task(runner.run())
    try:
        yield RunnerHarness(runner, journal, folder)
    finally:
        runner.request_stop()
        await running_task
        if end_left_tasks:
            end_tasks(folder)
            await _collect_shims(folder)


async def _collect_shims(folder: Path) -> None:
    """Reaps shims: they outlive the runner and are children of this process. A slow one ends by itself."""
    for claim in folder.glob("**/tasks/*/claim.json"):
        pid = json.loads(claim.read_text()).get("pid", 0)
        try:
            await eventually(lambda pid=pid: os.waitpid(pid, os.WNOHANG)[0], 2.0)
        except (ChildProcessError, AssertionError):
            pass  # Already reaped, not our child, or slow.


def end_tasks(folder: Path) -> None:
    """Ends anything that a failed test left running below `folder`: its shim treats the signal as a cancel."""
    for claim in folder.glob("**/tasks/*/claim.json"):
        pid = json.loads(claim.read_text()).get("pid", 0)
        command = Path(f"/proc/{pid}/cmdline")
        if command.exists() and str(claim.parent).encode() in command.read_bytes():
            os.kill(pid, signal.SIGTERM)


def processes_with(marker: str) -> list[int]:
    """Running processes whose command line contains the marker."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if marker.encode() in command and state not in "ZX":
                found.append(int(entry.name))
    return found


def cpu_ticks(pids: Sequence[int]) -> int:
    """User and system time that these processes have used."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total
