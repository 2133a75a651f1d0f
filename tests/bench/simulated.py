"""A simulated fleet: Masters that push through the product's real journal and uplink, each with Edges that it relays.

    simulated.py DATA_DIR GRPC_PORT FOLDER MASTERS EDGES TASKS

EDGES are per Master, TASKS over all Masters. Prints "ready" once every task is at the Leader. Then each line of
standard input, "METRICS STATES LINES", sets how many metrics, task states and log lines are pushed a second; the end of
the input ends the fleet.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from nodes.domain.events import (
    Capabilities,
    JournalMark,
    LogBatch,
    LogLine,
    Metrics,
    NamedTask,
    NodeReport,
    Project,
    Snapshot,
    TaskStatus,
    Update,
)
from nodes.domain.states import Lane, LogLevel, LogStream, Role, TaskState
from nodes.stream.identity import ClusterKey, issue_token
from nodes.stream.journal.journal import Journal
from nodes.stream.uplink.config import UplinkConfig
from nodes.stream.uplink.uplink import Uplink
from nodes.stream.wire.codec import encode_update
from nodes.stream.wire.v1 import node_sync_pb2 as pb

GIB = 2**30
CONNECT_SECONDS = 120
CONNECT_AT_ONCE = 10
PROJECTS = tuple(
    Project(
        name=name,
        path=f"/srv/{name}",
        types=("python", "make"),
        tasks=tuple(
            NamedTask(name=task, argv=("make", task), description=f"{task} of {name}") for task in ("build", "test")
        ),
    )
    for name in ("web", "api", "models")
)
LINE = b"compiled module src/server/handlers/upload.py in 412 ms, 3 warnings, cache hit"


class SimulatedMaster:
    def __init__(self, name: str, *, data_dir: Path, grpc_port: int, folder: Path, edges: int, tasks: int) -> None:
        self.name = name
        self.edges = [f"{name}-edge-{number}" for number in range(1, edges + 1)]
        self._random = random.Random(name)
        now_ms = time.time_ns() // 1_000_000
        self.tasks = [
            TaskStatus(
                task_id=f"{name}-task-{number}",
                state=TaskState.RUNNING,
                name=f"build {name} #{number}",
                project="web",
                progress=0.0,
                message="compiling",
                started_at_ms=now_ms - self._random.randrange(3_600_000),
            )
            for number in range(1, tasks + 1)
        ]
        self._capabilities = Capabilities(
            os="Linux 6.8", architecture="x86_64", cpu_count=16, memory_bytes=64 * GIB, projects=PROJECTS, slots=16
        )
        folder.mkdir(exist_ok=True)
        journals = {lane: Journal(folder / f"{name}.{lane}.db", node_id=name, lane=lane) for lane in Lane}
        self._journals = tuple(journals.values())
        self._lines = itertools.count(1)
        self._uplink = Uplink(
            UplinkConfig(
                target=f"127.0.0.1:{grpc_port}",
                token=issue_token(ClusterKey.load_or_create(data_dir), node_id=name, role=Role.MASTER),
                node_id=name,
                role=Role.MASTER,
                node_file=folder / f"{name}.json",
            ),
            journals=journals,
            snapshot=lambda: self._snapshot(name, Role.MASTER, tuple(self.tasks)),
            on_command=lambda command, received_mono: None,
        )
        self._uplink.relay(
            snapshots=lambda: [self._update(edge, self._snapshot(edge, Role.EDGE)) for edge in self.edges],
            on_command=lambda command, received_mono: None,
            on_revoked=lambda token_ids: None,
        )

    async def connect(self, group: asyncio.TaskGroup) -> None:
        group.create_task(self._uplink.run())
        for task in self.tasks:
            await self._uplink.send_update(task)
        async with asyncio.timeout(CONNECT_SECONDS):
            while (client := self._uplink._client) is None or not client.session.is_drained:
                await asyncio.sleep(0.05)

    async def push_metrics(self, number: int) -> None:
        node = [self.name, *self.edges][number % (len(self.edges) + 1)]
        self._uplink.send_ephemeral(f"{node}/Metrics/", self._update(node, self._metrics()))

    async def push_state(self, number: int) -> None:
        """Mostly progress; every twentieth push ends its task, which starts again with the next attempt."""
        place = number % len(self.tasks)
        task = self.tasks[place]
        if task.state is TaskState.SUCCEEDED:
            task = replace(task, state=TaskState.RUNNING, attempt=task.attempt + 1, progress=0.0, ended_at_ms=0)
        elif number % 20 == 19:
            task = replace(task, state=TaskState.SUCCEEDED, progress=1.0, ended_at_ms=time.time_ns() // 1_000_000)
        else:
            task = replace(task, progress=self._random.random(), message=f"step {number}")
        self.tasks[place] = task
        await self._uplink.send_update(task)

    async def push_line(self, number: int) -> None:
        line = LogLine(time.time_ns() // 1_000_000, LogLevel.INFO, LogStream.STDOUT, LINE)
        task = self.tasks[0]
        await self._uplink.send_update(
            LogBatch(task_id=task.task_id, attempt=1, first_line=next(self._lines), lines=(line,))
        )

    async def stop(self) -> None:
        self._uplink.request_stop()
        for journal in self._journals:
            await journal.aclose()

    def _snapshot(self, node: str, role: Role, tasks: tuple[TaskStatus, ...] = ()) -> Snapshot:
        parent = "" if role is Role.MASTER else self.name
        # The uplink adds a Master's own marks; an Edge has an empty journal.
        positions = () if role is Role.MASTER else (JournalMark(journal_id=uuid.uuid4().hex, seq=0, node_id=node),)
        report = NodeReport(role=role, parent=parent, capabilities=self._capabilities, link_rtt_ms=1.5)
        return Snapshot(tasks=tasks, positions=positions, report=report, metrics=self._metrics())

    def _metrics(self) -> Metrics:
        return Metrics(
            cpu_percent=self._random.uniform(0, 100),
            memory_used_bytes=self._random.randrange(50) * GIB,
            memory_total_bytes=64 * GIB,
            disk_used_bytes=self._random.randrange(400) * GIB,
            disk_total_bytes=500 * GIB,
            load_1m=self._random.uniform(0, 16),
        )

    @staticmethod
    def _update(node: str, payload: Snapshot | Metrics) -> pb.NodeUpdate:
        return encode_update(Update(node_id=node, payload=payload, timestamp_ms=time.time_ns() // 1_000_000))


class Fleet:
    def __init__(self, masters: list[SimulatedMaster]) -> None:
        self._masters = masters
        self._rates = {"metrics": 0.0, "states": 0.0, "lines": 0.0}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for start in range(0, len(self._masters), CONNECT_AT_ONCE):
                await asyncio.gather(*(m.connect(group) for m in self._masters[start : start + CONNECT_AT_ONCE]))
            pushers = [
                group.create_task(self._push("metrics", lambda master, number: master.push_metrics(number))),
                group.create_task(self._push("states", lambda master, number: master.push_state(number))),
                group.create_task(self._push("lines", lambda master, number: master.push_line(number))),
            ]
            print("ready", flush=True)
            while line := await asyncio.to_thread(sys.stdin.readline):
                self._rates = dict(zip(self._rates, map(float, line.split()), strict=True))
            for pusher in pushers:
                pusher.cancel()
            for master in self._masters:
                await master.stop()

    async def _push(self, what: str, push: Callable[[SimulatedMaster, int], Coroutine[Any, Any, None]]) -> None:
        """Pushes from each Master in turn at an average rate, without a burst to make up for a slow machine."""
        for number in itertools.count():
            while (rate := self._rates[what]) <= 0:
                await asyncio.sleep(0.05)
            turn, place = divmod(number, len(self._masters))
            await asyncio.gather(push(self._masters[place], turn), asyncio.sleep(1 / rate))


def main(data_dir: str, grpc_port: str, folder: str, masters: str, edges: str, tasks: str) -> None:
    count = int(masters)
    shares = [int(tasks) // count + (number < int(tasks) % count) for number in range(count)]
    fleet = Fleet(
        [
            SimulatedMaster(
                f"master-{number + 1:03}",
                data_dir=Path(data_dir),
                grpc_port=int(grpc_port),
                folder=Path(folder),
                edges=int(edges),
                tasks=share,
            )
            for number, share in enumerate(shares)
        ]
    )
    asyncio.run(fleet.run())


if __name__ == "__main__":
    main(*sys.argv[1:])
