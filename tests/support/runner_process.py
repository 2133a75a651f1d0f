"""A runner with its journals in a separate process, so that a test can kill it.

It reads commands from standard input and prints its reports: `python -m tests.support.runner_process FOLDER`.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from nodes.agent.runner.config import RunnerConfig
from nodes.agent.runner.environment import base_environment
from nodes.agent.runner.freezer import find_freezer_parent
from nodes.agent.runner.runner import Runner
from nodes.core.clock import SystemClock
from nodes.domain.commands import Command, ControlTask, StartTask, TaskSpec
from nodes.domain.events import CommandResult, LogBatch, Payload, TaskStatus, Update
from nodes.domain.states import Action, Lane
from nodes.stream.journal.journal import Journal
from nodes.stream.wire.codec import decode_update, encode_update
from tests.support.runner_harness import end_tasks

NODE = "node-1"


class RunnerProcess:
    """The test's side."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[dict[str, Any]] = []

    def start(self) -> RunnerProcess:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.runner_process", str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def send(self, **command: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        self._process.kill()
        self._close()

    def clean_up(self) -> None:
        """Ends anything that a failed test left running, including tasks."""
        if self._process.poll() is None:
            self.kill()
        end_tasks(self.folder)

    def stop(self) -> int:
        self._process.terminate()
        return self._close()

    def _close(self) -> int:
        code = self._process.wait(20)
        self._reader.join()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        self._process.stdout.close()
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.told.append(json.loads(line))

    def states(self, task_id: str = "t1") -> list[str]:
        return [told["state"] for told in self.told if told.get("task") == task_id]

    def pids(self, task_id: str = "t1") -> set[int]:
        return {told["pid"] for told in self.told if told.get("task") == task_id}

    def results(self, command_id: str) -> list[tuple[str, str]]:
        return [(told["state"], told["code"]) for told in self.told if told.get("command") == command_id]

    async def journaled_lines(self, task_id: str = "t1") -> list[tuple[int, bytes]]:
        """(number, text) of every line in the logs journal; only while the process is not running."""
        journal = Journal(self.folder / "logs.db", node_id=NODE, lane=Lane.LOGS)
        lines: list[tuple[int, bytes]] = []
        after = 0
        while entries := await journal.read(journal.journal_id, after, 500, 1 << 20):
            for entry in entries:
                after = entry.seq
                batch = decode_update(entry.update).payload
                if isinstance(batch, LogBatch) and batch.task_id == task_id:
                    lines += [(batch.first_line + index, line.text) for index, line in enumerate(batch.lines)]
        await journal.aclose()
        return lines


async def _main(folder: Path) -> None:
    logs = Journal(folder / "logs.db", node_id=NODE, lane=Lane.LOGS)
    states = Journal(folder / "states.db", node_id=NODE, lane=Lane.STATES)

    async def emit(payload: Payload, *, cursor: tuple[str, int] | None = None, ephemeral: bool = False) -> None:
        journal = logs if isinstance(payload, LogBatch) else states
        await journal.append([encode_update(Update(node_id=NODE, payload=payload))], cursor=cursor)
        if isinstance(payload, TaskStatus):
            _tell(
                task=payload.task_id,
                state=payload.state,
                pid=payload.pid,
                exit_code=payload.exit_code,
                message=payload.message,
            )
        elif isinstance(payload, CommandResult):
            _tell(command=payload.command_id, state=payload.state, code=payload.code)

    runner = Runner(
        RunnerConfig(
            tasks_folder=folder / "tasks",
            command_log_path=folder / "commands.db",
            environment=base_environment(os.environ),
            cgroup_parent=find_freezer_parent(),
        ),
        emit=emit,
        journal_id=lambda: states.journal_id,
        logs_cursor=logs.cursor,
        forget_cursor=lambda key: logs.append([], cursor=(key, 0)),
    )
    await runner.prepare()
    _tell(snapshot=[status.task_id for status in runner.snapshot_tasks()])
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run())
        while line := await reader.readline():
            runner.submit(_command(json.loads(line)), SystemClock().mono())


def _command(wanted: dict[str, Any]) -> Command:
    body: StartTask | ControlTask
    if "argv" in wanted:
        spec = TaskSpec(argv=tuple(wanted["argv"]), working_directory="/tmp")
        body = StartTask(task_id=wanted.get("task", "t1"), attempt=wanted.get("attempt", 1), spec=spec)
    else:
        body = ControlTask(
            task_id=wanted.get("task", "t1"),
            action=Action(wanted["action"]),
            input=wanted.get("input", "").encode(),
        )
    return Command(command_id=wanted["id"], body=body)


def _tell(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
