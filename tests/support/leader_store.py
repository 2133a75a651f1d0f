"""A projection over the test database, with a listener that records, and nodes that talk to it without a stream."""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from django.db import connection

from nodes.domain.events import (
    Capabilities,
    JournalMark,
    NamedTask,
    NodeReport,
    Payload,
    Project,
    Snapshot,
    TaskStatus,
    Update,
)
from nodes.domain.states import Lane, NodeState, Role
from nodes.leader.projection.epoch import Epoch
from nodes.leader.projection.projection import Projection
from nodes.leader.projection.published import Listener, Published
from nodes.leader.projection.term import Term, acquire
from nodes.stream.hub.ports import Applied, Peer
from nodes.stream.identity.edge_keys import EdgeKey
from nodes.stream.identity.signatures import new_ticket, sign_entries
from nodes.stream.wire.codec import encode_update
from nodes.stream.wire.entry import Entry
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from tests.support.edge_keys import CLUSTER
from tests.support.message_schemas import schema_of

T = TypeVar("T")


async def read(function: Callable[[], T]) -> T:
    """Runs an ORM read on a separate thread and leaves no connection behind."""

    def run() -> T:
        try:
            return function()
        finally:
            connection.close()

    return await asyncio.to_thread(run)


class Recorder:
    """A listener; `topics` are the wanted ones."""

    def __init__(self, *topics: str) -> None:
        self.topics = set(topics)
        self.published: list[Published] = []

    def wants(self, topic: str) -> bool:
        return topic in self.topics

    def publish(self, batch: Sequence[Published]) -> None:
        self.published.extend(batch)

    def messages(self, kind: str = "") -> list[dict[str, Any]]:
        """Those of this kind, or all; each is as declared."""
        decoded = [json.loads(message.text) for message in self.published]
        found = [message for message in decoded if not kind or message["type"] == kind]
        for message in found:
            schema_of("server").validate(message)
        return found


class Voice:
    """A node as the hub sees it: numbers its entries, remembers its journals."""

    def __init__(
        self,
        projection: Projection,
        node_id: str,
        role: Role = Role.MASTER,
        *,
        is_base: bool = False,
        via: Voice | None = None,
        key: EdgeKey | None = None,
    ) -> None:
        self.projection = projection
        self.node_id = node_id
        self.peer = via.peer if via else Peer(node_id=node_id, role=role, token_id=f"token-{node_id}", is_base=is_base)
        self.role = role
        self.token = ""  # What its ticket says about its token.
        self.key = key  # Signs entries and tickets, as an Edge does.
        self.tickets = itertools.count(1)
        self.life = ""  # With another value its data folder is new, and so are its journals.
        self.seqs = {"states": 0, "logs": 0}
        self.clock_ahead_seconds = 0.0

    def journal(self, lane: str = "states") -> str:
        return f"{self.node_id}-{self.life}{lane}"

    def report(self, **fields: Any) -> NodeReport:
        capabilities = Capabilities(
            os="Linux",
            slots=2,
            allows_commands=True,
            projects=(Project(name="shop", path="/srv/shop", tasks=(NamedTask(name="build", argv=("make",)),)),),
        )
        return NodeReport(**{"role": self.role, "capabilities": capabilities, **fields})

    async def arrive(self, *tasks: TaskStatus, max_epoch_seen: int = 0, **report: Any) -> pb.Welcome:
        """Hello, Welcome, online, Snapshot: what a hub does for a node that connects."""
        hello = pb.Hello(name=self.node_id, role=self.role, max_epoch_seen=max_epoch_seen)
        for lane, seq in self.seqs.items():
            hello.journals.add(journal_id=self.journal(lane), seq=seq, node_id=self.node_id, lane=lane)
        welcome = await self.projection.welcome(self.peer, hello)
        await self.projection.node_state(self.node_id, NodeState.ONLINE, link_rtt_ms=1.5)
        await self.snapshot(*tasks, **report)
        return welcome

    async def snapshot(self, *tasks: TaskStatus, position: int | None = None, **report: Any) -> Applied:
        seq = self.seqs["states"] if position is None else position
        mark = JournalMark(journal_id=self.journal(), seq=seq, node_id=self.node_id, lane=Lane.STATES)
        return await self.say(Snapshot(tasks=tasks, positions=(mark,), report=self.report(**report)))

    async def say(self, *payloads: Payload) -> Applied:
        """Ephemeral updates."""
        return await self.send(*(self._update(payload) for payload in payloads))

    async def tell(self, *payloads: Payload, lane: str = "states") -> Applied:
        """Journaled updates, in order."""
        return await self.send(*(self.entry(payload, lane) for payload in payloads))

    def entry(self, payload: Payload, lane: str = "states", seq: int | None = None) -> pb.NodeUpdate:
        if seq is None:
            self.seqs[lane] += 1
            seq = self.seqs[lane]
        update = self._update(payload, journal_id=self.journal(lane), seq=seq)
        return update if self.key is None else sign_entries(self.key, [Entry(seq, 0, update)])[0].update

    def ticket(self, *, parent: str = "", counter: int = 0) -> pb.NodeUpdate:
        """A new one for the Master whose stream it goes through, unless it names another."""
        assert self.key is not None
        heads = [
            pb.JournalMark(journal_id=self.journal(lane), seq=seq, node_id=self.node_id, lane=lane)
            for lane, seq in self.seqs.items()
        ]
        made = new_ticket(
            self.key,
            self.node_id,
            parent=parent or self.peer.node_id,
            counter=counter or next(self.tickets),
            heads=heads,
            token=self.token,
        )
        return pb.NodeUpdate(node_id=self.node_id, ticket=made)

    def through(self, master: Voice) -> Voice:
        """The same Edge behind another Master."""
        moved = copy.copy(self)
        moved.peer = master.peer
        return moved

    async def send(self, *updates: pb.NodeUpdate) -> Applied:
        return await self.projection.apply(self.peer, updates)

    def _update(self, payload: Payload, **position: Any) -> pb.NodeUpdate:
        now_ms = round((time.time() + self.clock_ahead_seconds) * 1000)
        return encode_update(Update(node_id=self.node_id, payload=payload, timestamp_ms=now_ms, **position))


async def taken_term(*, above: int = 0, dead_holder: str = "") -> Term:
    return await read(lambda: acquire(address="the test", above=above, dead_holder=dead_holder))


@asynccontextmanager
async def running_projection(
    folder: Path, listener: Listener, revoked: set[str] | None = None, *, term: Term | None = None
) -> AsyncIterator[Projection]:
    epoch = Epoch(folder / "epoch")
    term = term or await taken_term(above=epoch.value)
    epoch.begin(term.value)
    projection = Projection(
        listener,
        term=term,
        epoch=epoch,
        public_key=CLUSTER.public_key,
        leader_id="leader",
        revoked=lambda: revoked or set(),
    )
    await projection.start()
    try:
        yield projection
    finally:
        await projection.stop()
