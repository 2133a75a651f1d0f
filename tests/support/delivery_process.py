"""The two ends of a stream as separate processes that a test can kill: `python -m tests.support.delivery_process`.

The parent keeps its marks and what it received in one SQLite file. The node feeds numbered states and lines, and stores
its position as a cursor in the same commit.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from nodes.core.lifecycle import run_services
from nodes.domain.states import Lane, NodeState
from nodes.stream.hub.config import HubConfig
from nodes.stream.hub.hub import Hub
from nodes.stream.hub.ports import Applied, Peer
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from tests.support.delivery import Node, authenticate, log_batch, running, status

LINES_PER_STATE = 20


class FileStore:
    """An `Upstream` that changes its marks and rows in one transaction. No UNIQUE, so that a duplicate row shows."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._lock = asyncio.Lock()  # Both lanes of a stream share the connection: one transaction at a time.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("CREATE TABLE IF NOT EXISTS marks (journal_id TEXT PRIMARY KEY, seq INTEGER)")
        self._db.execute("CREATE TABLE IF NOT EXISTS rows (kind TEXT, text TEXT)")

    async def welcome(self, peer: Peer, hello: pb.Hello) -> pb.Welcome:
        marks = dict(self._db.execute("SELECT journal_id, seq FROM marks"))
        return pb.Welcome(
            store_id="file",
            marks=[
                pb.JournalMark(journal_id=mark.journal_id, seq=marks.get(mark.journal_id, 0)) for mark in hello.journals
            ],
        )

    async def apply(self, peer: Peer, updates: Sequence[pb.NodeUpdate]) -> Applied:
        async with self._lock:
            return await self._commit(updates)

    async def _commit(self, updates: Sequence[pb.NodeUpdate]) -> Applied:
        marks: dict[str, int] = dict(self._db.execute("SELECT journal_id, seq FROM marks"))
        await asyncio.sleep(0.003)  # Time to be killed, before the commit and before the ack.
        self._db.execute("BEGIN IMMEDIATE")
        for update in updates:
            if update.seq and update.seq == marks.get(update.journal_id, 0) + 1:
                marks[update.journal_id] = update.seq
                if update.HasField("task_update"):
                    self._db.execute("INSERT INTO rows VALUES ('state', ?)", (update.task_update.task_id,))
                for line in update.logs.lines:
                    self._db.execute("INSERT INTO rows VALUES ('line', ?)", (line.text.decode(),))
        self._db.executemany("INSERT OR REPLACE INTO marks VALUES (?, ?)", list(marks.items()))
        self._db.execute("COMMIT")
        await asyncio.sleep(0.003)
        return Applied(marks=marks)

    async def node_state(self, node_id: str, state: NodeState, *, link_rtt_ms: float) -> None:
        pass

    async def ready(self, peer: Peer) -> Sequence[pb.LeaderCommand]:
        return ()


async def run_parent(port: int, path: Path) -> int:
    hub = Hub(HubConfig(address=f"127.0.0.1:{port}"), upstream=FileStore(path), authenticate=authenticate)
    return await run_services([hub])


async def run_node(port: int, folder: Path, count: int) -> int:
    node = Node(folder, f"127.0.0.1:{port}")
    async with running(node.uplink):
        states, logs = node.journals[Lane.STATES], node.journals[Lane.LOGS]
        while states.cursor("fed") < count or logs.cursor("fed") < count:
            n = states.cursor("fed")
            if n < count:
                await node.uplink.send_update(status(f"t{n}"), cursor=("fed", n + 1))
            n = logs.cursor("fed")
            if n < count:
                batch = log_batch(n * LINES_PER_STATE + 1, LINES_PER_STATE)
                await node.uplink.send_update(batch, cursor=("fed", n + 1))
            await asyncio.sleep(0.005)  # So that there is something to interrupt.
        await asyncio.Event().wait()
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    kind, port_text, path_text, *rest = sys.argv[1:]
    if kind == "parent":
        raise SystemExit(asyncio.run(run_parent(int(port_text), Path(path_text))))
    raise SystemExit(asyncio.run(run_node(int(port_text), Path(path_text), int(rest[0]))))
