"""Updates that a stream has received and the store has not committed yet, in order."""

from __future__ import annotations

import asyncio
from collections import deque

from nodes.stream.wire.v1 import node_sync_pb2 as pb

# Our own nodes respect their window, so this limits only base clients and third-party ones. A full inbox blocks the
# reader, and so the sender; nothing is dropped.
_MAX_UPDATES = 4000
_MAX_BYTES = 4 * 1024 * 1024
# At most this many updates per transaction.
_MAX_TAKE = 1000


class Inbox:
    """One lane of one stream. Updates that arrive during a commit are collected for the next one."""

    def __init__(self) -> None:
        self._updates: deque[tuple[pb.NodeUpdate, int]] = deque()
        self._size_bytes = 0
        self._has_some = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def put(self, update: pb.NodeUpdate) -> None:
        await self._has_room.wait()
        size = update.ByteSize()
        self._updates.append((update, size))
        self._size_bytes += size
        self._has_some.set()
        if len(self._updates) >= _MAX_UPDATES or self._size_bytes >= _MAX_BYTES:
            self._has_room.clear()

    async def take(self) -> list[pb.NodeUpdate]:
        """Waits for at least one update; returns all that are there."""
        await self._has_some.wait()
        taken: list[pb.NodeUpdate] = []
        while self._updates and len(taken) < _MAX_TAKE:
            update, size = self._updates.popleft()
            self._size_bytes -= size
            taken.append(update)
        self._has_room.set()
        if not self._updates:
            self._has_some.clear()
        return taken
