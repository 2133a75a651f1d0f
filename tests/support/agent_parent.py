"""The parent of one real agent process: a hub whose store is in memory, which sends commands and reads the answers."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from nodes.domain.commands import Command, ControlTask, StartTask, TaskSpec
from nodes.domain.events import CommandResult, TaskStatus
from nodes.domain.states import Action, CommandState, Lane
from nodes.stream.hub.hub import Hub
from nodes.stream.wire.codec import decode_update, encode_command
from tests.support.delivery import MemoryStore, hub_of
from tests.support.eventually import eventually
from tests.support.processes import Process
from tests.support.runner_harness import end_tasks

NODE = "master-1"


class Parent:
    def __init__(self, folder: Path, store: MemoryStore, hub: Hub) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.store = store
        self.hub = hub
        (folder / "token").write_text(f"master:{NODE}")
        (folder / "token").chmod(0o600)
        self.agent = Process("agent", [], log=folder / "agent.log")

    async def run_agent(self, point: str = "") -> None:
        """Starts the agent and waits for its stream."""
        self.store.snapshots.pop(NODE, None)
        arguments = ["master", "--leader", f"127.0.0.1:{self.hub.bound_port}", "--name", NODE, "--heartbeat", "5"]
        arguments += ["--token-file", str(self.folder / "token"), "--data-dir", str(self.data)]
        self.agent.argv = [sys.executable, "-m", "tests.support.agent_process", point, *arguments]
        self.agent.start()
        await eventually(lambda: NODE in self.store.snapshots, 20, "a stream")

    async def is_dead(self, message: str = "the agent dies") -> None:
        await eventually(lambda: not self.agent.is_running, 20, message)

    async def send(self, body: StartTask | ControlTask, command_id: str, *, times: int = 1) -> None:
        command = Command(command_id=command_id, body=body, target_node_id=NODE, ttl_seconds=60.0)
        for _ in range(times):
            await eventually(lambda: self.hub.send(NODE, encode_command(command)), 20, "a stream to send on")

    async def start_task(self, *argv: str, command_id: str = "start", times: int = 1) -> None:
        spec = TaskSpec(argv=argv, working_directory=str(self.folder))
        await self.send(StartTask(task_id="t1", attempt=1, spec=spec), command_id, times=times)

    async def control(self, action: Action, command_id: str, *, times: int = 1, text: bytes = b"") -> None:
        await self.send(ControlTask(task_id="t1", action=action, input=text), command_id, times=times)

    def statuses(self) -> list[TaskStatus]:
        """Statuses of task t1, as written to the journal."""
        payloads = (decode_update(entry).payload for entry in self.store.entries)
        return [payload for payload in payloads if isinstance(payload, TaskStatus) and payload.task_id == "t1"]

    def states(self) -> list[str]:
        return [status.state.value for status in self.statuses()]

    def answers(self, command_id: str) -> list[CommandResult]:
        """Final results of the command, as written to the journal."""
        payloads = (decode_update(entry).payload for entry in self.store.entries)
        results = [payload for payload in payloads if isinstance(payload, CommandResult)]
        return [
            result for result in results if result.command_id == command_id and result.state is not CommandState.ACKED
        ]

    async def answer(self, command_id: str) -> CommandResult:
        answers: list[CommandResult] = await eventually(lambda: self.answers(command_id), 20, f"answer to {command_id}")
        return answers[0]

    def states_journal(self) -> str:
        """Id of the journal that the agent reported last."""
        return next(mark.journal_id for mark in self.store.hellos[-1].journals if mark.lane == Lane.STATES)

    def all_results_are_reported(self) -> bool:
        """True once the agent has recorded in its log that all its answers are in its journal.

        The parent may see an answer a moment earlier; an agent that is killed in between sends it again.
        """
        with closing(sqlite3.connect(f"file:{self.data / 'commands.db'}?mode=ro", uri=True)) as log:
            unreported = log.execute("SELECT count(*) FROM command WHERE told_in != ?", (self.states_journal(),))
            return bool(unreported.fetchone()[0] == 0)


@asynccontextmanager
async def parent_of(folder: Path) -> AsyncIterator[Parent]:
    """Leaving the block ends the agent and its remaining tasks."""
    store = MemoryStore()
    async with hub_of(store, heartbeat_seconds=5.0) as hub:
        parent = Parent(folder, store, hub)
        try:
            yield parent
        finally:
            parent.agent.kill()
            end_tasks(folder)
