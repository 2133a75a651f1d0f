"""A parent and its nodes in one process, over real gRPC and real journal files; only the store is in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nodes.core.lifecycle import Service
from nodes.domain.commands import Command
from nodes.domain.events import LogBatch, LogLine, NodeReport, Snapshot, TaskStatus
from nodes.domain.states import Lane, LogLevel, LogStream, NodeState, Role, TaskState
from nodes.errors import AgentFlowError, StoreError
from nodes.refusals import RefusalRecorder
from nodes.stream.hub.config import HubConfig
from nodes.stream.hub.hub import Hub
from nodes.stream.hub.ports import Applied, Peer
from nodes.stream.journal.journal import Journal, JournalLimits
from nodes.stream.uplink.config import UplinkConfig
from nodes.stream.uplink.uplink import Uplink
from nodes.stream.wire.entry import first_covered
from nodes.stream.wire.v1 import node_sync_pb2 as pb


@dataclass(frozen=True)
class TestIdentity:
    node_id: str
    role: str
    token_id: str
    public_key: bytes = b""
    issued_at: int = 0
    expires_at: int = 0

    __test__ = False


class BadToken(AgentFlowError):
    pass


def authenticate(token: str) -> TestIdentity:
    """A token is "role:node" or, of an Edge with a key, "role:node:key"; "revoked:…" and anything else is refused."""
    role, _, node_id = token.partition(":")
    node_id, _, public_key = node_id.partition(":")
    if role not in ("leader", "master", "edge", "web") or not node_id:
        raise BadToken("the token was revoked" if role == "revoked" else "the token is malformed")
    return TestIdentity(node_id, role, f"id-of-{token}", bytes.fromhex(public_key))


@dataclass
class MemoryStore:
    """An `Upstream` with the rules of a real one: contiguous marks, no duplicates, acks after the "commit"."""

    store_id: str = "store"
    marks: dict[str, int] = field(default_factory=dict)
    entries: list[pb.NodeUpdate] = field(default_factory=list)
    ephemeral: list[pb.NodeUpdate] = field(default_factory=list)
    snapshots: dict[str, pb.Snapshot] = field(default_factory=dict)
    states: list[tuple[str, NodeState]] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    hellos: list[pb.Hello] = field(default_factory=list)
    open_commands: list[pb.LeaderCommand] = field(default_factory=list)
    rtt_ms: dict[str, float] = field(default_factory=dict)
    tickets: list[pb.Ticket] = field(default_factory=list)
    commit_seconds: float = 0.0
    refuses: bool = False  # The disk is full.
    bad_task_ids: set[str] = field(default_factory=set)
    applies: int = 0

    async def welcome(self, peer: Peer, hello: pb.Hello) -> pb.Welcome:
        self.peers.append(peer)
        self.hellos.append(hello)
        marks = [
            pb.JournalMark(journal_id=mark.journal_id, seq=self.marks.get(mark.journal_id, 0))
            for mark in hello.journals
        ]
        return pb.Welcome(
            store_id=self.store_id,
            marks=marks,
            cluster_public_key=b"k" * 32,
            revoked_token_ids=["old"],
            parent_id="leader",
        )

    async def take_ticket(self, peer: Peer, update: pb.NodeUpdate) -> None:
        self.tickets.append(update.ticket)

    async def apply(self, peer: Peer, updates: Sequence[pb.NodeUpdate]) -> Applied:
        if self.refuses:
            raise StoreError("disk full")
        if self.commit_seconds:
            await asyncio.sleep(self.commit_seconds)
        self.applies += 1
        if peer.is_base and peer not in self.peers:
            self.peers.append(peer)
        marks: dict[str, int] = {}
        nacks: list[pb.Nack] = []
        for update in updates:
            if update.seq == 0:
                self.ephemeral.append(update)
                if update.WhichOneof("payload") == "snapshot":
                    self.snapshots[update.node_id] = update.snapshot
                continue
            mark = self.marks.get(update.journal_id, 0)
            if update.seq > mark:
                if first_covered(update) > mark + 1:
                    nacks.append(pb.Nack(journal_id=update.journal_id, seq=mark + 1, code="hole"))
                    continue
                if update.task_update.task_id in self.bad_task_ids:
                    nacks.append(pb.Nack(journal_id=update.journal_id, seq=update.seq, code="bad-value"))
                else:
                    self.entries.append(update)
                self.marks[update.journal_id] = update.seq
            marks[update.journal_id] = self.marks[update.journal_id]
        return Applied(marks=marks, nacks=nacks)

    async def node_state(self, node_id: str, state: NodeState, *, link_rtt_ms: float) -> None:
        if link_rtt_ms:
            self.rtt_ms[node_id] = link_rtt_ms
        if not self.states or self.states[-1] != (node_id, state):
            self.states.append((node_id, state))

    async def ready(self, peer: Peer) -> Sequence[pb.LeaderCommand]:
        return list(self.open_commands)

    def state_of(self, node_id: str) -> NodeState | None:
        return next((state for name, state in reversed(self.states) if name == node_id), None)

    def task_ids(self, node_id: str | None = None) -> list[str]:
        """Task ids of the stored states, in order."""
        return [
            entry.task_update.task_id
            for entry in self.entries
            if entry.WhichOneof("payload") == "task_update" and node_id in (None, entry.node_id)
        ]

    def lines(self, node_id: str | None = None) -> list[bytes]:
        """The stored log lines, in order."""
        return [line.text for entry in self.entries if node_id in (None, entry.node_id) for line in entry.logs.lines]


def status(task_id: str, state: TaskState = TaskState.RUNNING, **fields: Any) -> TaskStatus:
    return TaskStatus(task_id=task_id, state=state, **fields)


def log_batch(first: int, count: int, task_id: str = "t1") -> LogBatch:
    lines = tuple(
        LogLine(1_000 + n, LogLevel.INFO, LogStream.STDOUT, b"line %d of the output of a task" % n)
        for n in range(first, first + count)
    )
    return LogBatch(task_id=task_id, attempt=1, first_line=first, lines=lines)


@asynccontextmanager
async def running(*services: Service) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Runs services for the length of a block; a failure of one fails the test."""
    tasks = [asyncio.create_task(service.run(), name=service.name) for service in services]
    try:
        yield tasks
    finally:
        for service, task in reversed(list(zip(services, tasks, strict=True))):
            service.request_stop()
            async with asyncio.timeout(10):
                await task


@asynccontextmanager
async def hub_of(store: Any, *, address: str = "127.0.0.1:0", **options: Any) -> AsyncIterator[Hub]:
    """A running hub; `options` are split between `HubConfig` and `Hub`."""
    own = {
        name: options.pop(name)
        for name in ("epoch", "on_duplicate", "on_refused", "extra_services", "clock")
        if name in options
    }
    own.setdefault("on_refused", RefusalRecorder(in_background=False).note)
    hub = Hub(HubConfig(address=address, **options), upstream=store, authenticate=authenticate, **own)
    async with running(hub) as (task,):
        started = asyncio.create_task(hub.started())
        await asyncio.wait([started, task], return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if task.done():
            await task
        yield hub


class Node:
    """Journals, uplink, and a list of the commands received."""

    def __init__(self, folder: Path, target: str, node_id: str = "master-1", role: Role = Role.MASTER, **options: Any):
        limits = options.pop("limits", JournalLimits())
        self.node_id = node_id
        self.role = role
        self.tasks: list[TaskStatus] = []
        self.commands: list[Command] = []
        self.journals = {
            lane: Journal(folder / node_id / f"{lane}.db", node_id=node_id, lane=lane, limits=limits) for lane in Lane
        }
        key = options.get("key")
        token = f"{role}:{node_id}:{key.public_key.hex()}" if key else f"{role}:{node_id}"
        options.setdefault("first_delay_seconds", 0.02)
        options.setdefault("cap_delay_seconds", 0.2)
        self.uplink = Uplink(
            UplinkConfig(
                target=target,
                token=options.pop("token", token),
                node_id=node_id,
                role=role,
                node_file=folder / node_id / "node.json",
                **options,
            ),
            journals=self.journals,
            snapshot=self.snapshot,
            on_command=lambda command, received: self.commands.append(command),
        )

    def snapshot(self) -> Snapshot:
        return Snapshot(tasks=tuple(self.tasks), positions=(), report=NodeReport(role=self.role))

    async def send(self, *payloads: Any) -> None:
        for payload in payloads:
            await self.uplink.send_update(payload)

    async def aclose(self) -> None:
        for journal in self.journals.values():
            await journal.aclose()


@asynccontextmanager
async def node_of(folder: Path, hub: Hub | str, node_id: str = "master-1", **options: Any) -> AsyncIterator[Node]:
    """A running node; `hub` is a hub or an address."""
    target = hub if isinstance(hub, str) else f"127.0.0.1:{hub.bound_port}"
    node = Node(folder, target, node_id, **options)
    try:
        async with running(node.uplink):
            yield node
    finally:
        await node.aclose()
