"""Agents that push artificial work through the product's real journal and uplink.

    agents.py states DATA_DIR GRPC_PORT FOLDER EVENTS RATE     one agent; task states stamped with the time
    agents.py ingest DATA_DIR GRPC_PORT FOLDER AGENTS LINES    log lines at full speed, ten states a second

Prints "ready", runs, then prints one JSON line: {"seconds": from the first append to the last acknowledgement}.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from pathlib import Path

from nodes.domain.events import Capabilities, LogBatch, LogLine, NodeReport, Snapshot, TaskStatus
from nodes.domain.states import Lane, LogLevel, LogStream, Role, TaskState
from nodes.stream.identity import ClusterKey, issue_token
from nodes.stream.journal.journal import Journal
from nodes.stream.uplink.config import UplinkConfig
from nodes.stream.uplink.uplink import Uplink

LINES_PER_BATCH = 500
LINE = b"2026-01-01 12:00:00 INFO compiled module src/server/handlers/upload.py in 412 ms, 3 warnings, cache hit"
STATES_PER_SECOND = 10
CONNECT_SECONDS = 30


class Agent:
    def __init__(self, data_dir: Path, grpc_port: int, folder: Path, name: str) -> None:
        self.folder = folder / f"{name}-{uuid.uuid4().hex[:6]}"
        self.folder.mkdir()
        self.task_id = f"{name}-{uuid.uuid4().hex[:8]}"
        self.journals = {
            lane: Journal(self.folder / f"{lane}.db", node_id=name, lane=lane) for lane in (Lane.STATES, Lane.LOGS)
        }
        self.state = TaskStatus(task_id=self.task_id, state=TaskState.RUNNING, name="bench", accepts_input=False)
        report = NodeReport(role=Role.MASTER, capabilities=Capabilities(slots=4))
        self.uplink = Uplink(
            UplinkConfig(
                target=f"127.0.0.1:{grpc_port}",
                token=issue_token(ClusterKey.load_or_create(data_dir), node_id=name, role=Role.MASTER),
                node_id=name,
                role=Role.MASTER,
                node_file=self.folder / "node.json",
            ),
            journals=self.journals,
            snapshot=lambda: Snapshot(tasks=(self.state,), positions=(), report=report),
            on_command=lambda command, received_mono: None,
        )

    async def connect(self, group: asyncio.TaskGroup) -> None:
        group.create_task(self.uplink.run())
        await self.push_state(TaskState.RUNNING, stamped=False)
        async with asyncio.timeout(CONNECT_SECONDS):
            while not self.is_drained:
                await asyncio.sleep(0.01)

    @property
    def is_drained(self) -> bool:
        client = self.uplink._client
        return client is not None and client.session.is_drained

    async def push_state(self, state: TaskState, *, stamped: bool = True) -> None:
        message = f"stamp={time.time_ns()}" if stamped else ""
        self.state = TaskStatus(task_id=self.task_id, state=state, name="bench", message=message, started_at_ms=1)
        await self.uplink.send_update(self.state)

    async def push_states(self, events: int, rate: float) -> None:
        start = time.monotonic()
        for number in range(events):
            await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
            await self.push_state(TaskState.PAUSED if number % 2 == 0 else TaskState.RUNNING)

    async def push_lines(self, lines: int) -> None:
        for first in range(1, lines + 1, LINES_PER_BATCH):
            count = min(LINES_PER_BATCH, lines + 1 - first)
            now_ms = time.time_ns() // 1_000_000
            line = LogLine(now_ms, LogLevel.INFO, LogStream.STDOUT, LINE)
            batch = LogBatch(task_id=self.task_id, attempt=1, first_line=first, lines=(line,) * count)
            await self.uplink.send_update(batch)

    async def drain(self) -> None:
        while not self.is_drained:
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        self.uplink.request_stop()
        for journal in self.journals.values():
            await journal.aclose()


async def states(data_dir: Path, grpc_port: int, folder: Path, events: int, rate: float) -> None:
    agent = Agent(data_dir, grpc_port, folder, "bench-states")
    async with asyncio.TaskGroup() as group:
        await agent.connect(group)
        print("ready", flush=True)
        start = time.monotonic()
        await agent.push_states(events, rate)
        await agent.drain()
        print(json.dumps({"seconds": time.monotonic() - start}), flush=True)
        await agent.push_state(TaskState.SUCCEEDED, stamped=False)
        await agent.drain()
        await agent.stop()


async def ingest(data_dir: Path, grpc_port: int, folder: Path, count: int, lines: int) -> None:
    agents = [Agent(data_dir, grpc_port, folder, f"bench-{number}") for number in range(count)]
    async with asyncio.TaskGroup() as group:
        for agent in agents:
            await agent.connect(group)
        print("ready", flush=True)
        start = time.monotonic()
        stater = group.create_task(agents[0].push_states(100_000, STATES_PER_SECOND))
        async with asyncio.TaskGroup() as work:
            for agent in agents:
                work.create_task(agent.push_lines(lines // count))
        stater.cancel()
        for agent in agents:
            await agent.drain()
        print(json.dumps({"seconds": time.monotonic() - start}), flush=True)
        for agent in agents:
            await agent.stop()


if __name__ == "__main__":
    role, data, port, where, first, second = sys.argv[1:]
    if role == "states":
        asyncio.run(states(Path(data), int(port), Path(where), int(first), float(second)))
    else:
        asyncio.run(ingest(Path(data), int(port), Path(where), int(first), int(second)))
