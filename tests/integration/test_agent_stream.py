"""Real agents on a real stream: what a Leader sees of them, and that it can command them, even when they crash."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nodes.domain.commands import Command, ControlTask, StartTask, TaskSpec
from nodes.domain.states import Action
from nodes.stream.hub.hub import Hub
from nodes.stream.hub.ports import Peer
from nodes.stream.identity.keys import ClusterKey
from nodes.stream.identity.tokens import issue_credentials
from nodes.stream.wire.codec import encode_command
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from tests.support.delivery import MemoryStore, hub_of
from tests.support.eventually import eventually
from tests.support.processes import Process, free_port
from tests.support.runner_harness import end_tasks

pytestmark = pytest.mark.slow

CONFIG = """
[node]
slots = 2
[projects.here]
path = "."
[projects.here.tasks.count]
argv = ["python3", "-uc", "import time\\nfor i in range(200): print(f'line {i}'); time.sleep(0.01)\\ninput('Go? ')"]
"""


class Leader(MemoryStore):
    """A store that knows the cluster's key, like the Leader's."""

    def __init__(self, key: ClusterKey) -> None:
        super().__init__()
        self.key = key

    async def welcome(self, peer: Peer, hello: pb.Hello) -> pb.Welcome:
        welcome = await super().welcome(peer, hello)
        welcome.cluster_public_key = self.key.public_key
        return welcome

    def states_of(self, task_id: str) -> list[str]:
        return [
            pb.TaskState.Name(entry.task_update.state).removeprefix("TASK_STATE_").lower()
            for entry in self.entries
            if entry.task_update.task_id == task_id
        ]

    def outcomes(self, command_id: str) -> list[str]:
        return [
            pb.CommandOutcome.Name(entry.command_result.outcome).removeprefix("COMMAND_OUTCOME_").lower()
            for entry in self.entries
            if entry.command_result.command_id == command_id
        ]

    def pids(self) -> set[int]:
        return {entry.task_update.pid for entry in self.entries if entry.task_update.pid}

    def numbered_lines(self) -> list[tuple[int, bytes]]:
        return [
            (entry.logs.first_line + index, line.text)
            for entry in self.entries
            for index, line in enumerate(entry.logs.lines)
        ]


class Fleet:
    def __init__(self, folder: Path, leader: Leader, hub: Hub) -> None:
        self.folder = folder
        self.leader = leader
        self.hub = hub
        self.hub_address = f"127.0.0.1:{free_port()}"
        self.processes: dict[str, Process] = {}
        (folder / "agentflow.toml").write_text(CONFIG)

    def start(self, role: str, name: str, *more: str) -> Process:
        token = self.folder / f"{name}.token"
        token.touch(mode=0o600)
        # The memory Leader accepts "role:name"; a Master really checks its Edges' tokens.
        token.write_text(
            f"{role}:{name}"
            if role == "master"
            else issue_credentials(self.leader.key, node_id=name, role=role).file_text
        )
        parent = f"127.0.0.1:{self.hub.bound_port}" if role == "master" else self.hub_address
        argv = [
            *(sys.executable, "-m", "nodes", role, "--leader" if role == "master" else "--master", parent),
            *("--name", name, "--token-file", str(token), "--data-dir", str(self.folder / name)),
            *("--config", str(self.folder / "agentflow.toml"), *more),
        ]
        process = self.processes.setdefault(name, Process(name, argv, log=self.folder / f"{name}.log"))
        return process.start()

    def command(self, command_id: str, body: StartTask | ControlTask, *, via: str, node: str = "") -> None:
        command = Command(command_id=command_id, body=body, target_node_id=node, ttl_seconds=30.0)
        assert self.hub.send(via, encode_command(command))

    def count(self, command_id: str, *, via: str = "m1", node: str = "") -> None:
        spec = TaskSpec(project="here", named_task="count")
        self.command(command_id, StartTask(task_id="t1", attempt=1, spec=spec), via=via, node=node)

    def control(self, command_id: str, action: Action, *, via: str = "m1", node: str = "", data: bytes = b"") -> None:
        self.command(command_id, ControlTask(task_id="t1", action=action, input=data), via=via, node=node)


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with _fleet(tmp_path) as made:
        yield made


@asynccontextmanager
async def _fleet(folder: Path) -> AsyncIterator[Fleet]:
    leader = Leader(ClusterKey.load_or_create(folder / "cluster"))
    async with hub_of(leader) as hub:
        made = Fleet(folder, leader, hub)
        try:
            yield made
        finally:
            for process in reversed(made.processes.values()):
                if process.is_running:
                    await asyncio.to_thread(process.stop)
            end_tasks(folder)


async def test_a_node_registers_with_what_it_can_do(fleet: Fleet) -> None:
    fleet.start("master", "m1", "--slots", "7")
    await eventually(lambda: "m1" in fleet.leader.snapshots)

    snapshot = fleet.leader.snapshots["m1"]
    found = snapshot.report.capabilities
    assert (snapshot.report.role, found.slots, found.allows_commands) == ("master", 7, True)
    assert found.cpu_count > 0
    assert found.pause_method in ("cgroup", "signals")
    assert [project.name for project in found.projects] == ["here"]
    assert [task.name for task in found.projects[0].tasks] == ["count"]
    await eventually(lambda: any(update.HasField("metrics") for update in fleet.leader.ephemeral))


async def test_a_task_through_the_death_of_its_agent(fleet: Fleet) -> None:
    agent = fleet.start("master", "m1")
    await eventually(lambda: "m1" in fleet.leader.snapshots)
    fleet.count("c1")
    await eventually(lambda: len(fleet.leader.lines()) > 20)
    agent.kill()
    fleet.leader.snapshots.clear()
    agent.start()
    await eventually(lambda: "m1" in fleet.leader.snapshots)

    (task,) = fleet.leader.snapshots["m1"].tasks
    assert (task.task_id, task.state, task.request.named_task) == ("t1", pb.TASK_STATE_RUNNING, "count")
    await eventually(lambda: fleet.leader.lines()[-1:] == [b"Go? "])
    fleet.control("c2", Action.INPUT, data=b"\n")
    await eventually(lambda: fleet.leader.states_of("t1")[-1] == "succeeded")
    assert fleet.leader.outcomes("c1") == ["acked", "succeeded"]
    assert len(fleet.leader.pids()) == 1
    assert fleet.leader.numbered_lines() == [
        *((index + 1, b"line %d" % index) for index in range(200)),
        (201, b"Go? "),
    ]


async def test_a_stop_of_the_agent_leaves_the_task_running(fleet: Fleet) -> None:
    agent = fleet.start("master", "m1")
    await eventually(lambda: "m1" in fleet.leader.snapshots)
    fleet.count("c1")
    await eventually(lambda: fleet.leader.states_of("t1") == ["running"])
    assert await asyncio.to_thread(agent.stop) == 0  # The hub runs on this loop.
    await eventually(lambda: not fleet.hub.connected)
    assert Path(f"/proc/{fleet.leader.pids().pop()}").exists()

    fleet.leader.snapshots.clear()
    agent.start()
    await eventually(lambda: "m1" in fleet.leader.snapshots)
    fleet.control("c2", Action.CANCEL)
    await eventually(lambda: fleet.leader.outcomes("c2") == ["acked", "succeeded"])
    assert fleet.leader.states_of("t1")[-1] == "cancelled"
    story = re.sub(r"^\S+ \S+ ", "", agent.log(), flags=re.MULTILINE)
    assert "Traceback" not in story
    for told in ("master m1 starts", "task starts: python3", "m1 stopped", "found again", "task cancelled"):
        assert told in story


async def test_an_edge_works_through_its_master(fleet: Fleet) -> None:
    master = fleet.start("master", "m1", "--hub", fleet.hub_address)
    await eventually(lambda: "m1" in fleet.leader.snapshots)
    fleet.start("edge", "e1")
    await eventually(lambda: "e1" in fleet.leader.snapshots, timeout=20)
    assert fleet.leader.snapshots["e1"].report.parent == "m1"

    fleet.count("c1", node="e1")
    await eventually(lambda: len(fleet.leader.lines("e1")) > 20)
    master.kill()
    master.start()
    await eventually(lambda: fleet.leader.lines("e1")[-1:] == [b"Go? "], timeout=30)
    await eventually(lambda: "m1" in fleet.hub.connected)
    fleet.control("c2", Action.INPUT, node="e1", data=b"\n")
    await eventually(lambda: fleet.leader.states_of("t1")[-1] == "succeeded", timeout=20)

    assert [number for number, _ in fleet.leader.numbered_lines()] == [*range(1, 202)]
    assert {entry.node_id for entry in fleet.leader.entries} == {"e1"}


async def test_an_edge_with_another_clusters_token_is_refused(fleet: Fleet, tmp_path: Path) -> None:
    fleet.start("master", "m1", "--hub", fleet.hub_address)
    await eventually(lambda: "m1" in fleet.leader.snapshots)
    fleet.leader.key = ClusterKey.load_or_create(tmp_path / "foreign")

    edge = fleet.start("edge", "e1")

    await eventually(lambda: "the token was refused" in edge.log(), timeout=20)
    assert "signed by another cluster's key" in edge.log()
    assert edge.is_running
