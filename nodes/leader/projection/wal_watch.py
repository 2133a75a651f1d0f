"""Watches the size of SQLite's write-ahead log, which grows while a reader keeps a transaction open.

AgentFlow's own reads are short. Another program's (a shell, a backup tool) is visible only by this effect, and only a
person can end it.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from nodes.domain.phrases import phrase
from nodes.errors import StoreError
from nodes.leader.projection.projection import Projection
from nodes.waits import wait_at_most

logger = logging.getLogger(__name__)

WAL_LARGE = "wal-large"
_LIMIT_BYTES = 256 << 20
_LOOK_SECONDS = 30.0
_MIB = 1 << 20


class WalWatch:
    """A service; checks the file's size every half minute."""

    name = "wal-watch"

    def __init__(
        self,
        projection: Projection,
        database: Path,
        *,
        limit_bytes: int = _LIMIT_BYTES,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        self._projection = projection
        self._path = database.with_name(f"{database.name}-wal")
        self._limit_bytes = limit_bytes
        self._look_seconds = look_seconds
        self._stop = asyncio.Event()

    async def run(self) -> None:
        while not self._stop.is_set():
            try:
                await self._check()
            except StoreError as exc:
                logger.warning("cannot get the size of the write-ahead log: %s", exc)
            await wait_at_most(self._stop, self._look_seconds)

    def request_stop(self) -> None:
        self._stop.set()

    async def _check(self) -> None:
        try:
            size_bytes = self._path.stat().st_size
        except FileNotFoundError:
            size_bytes = 0
        is_open = (WAL_LARGE, "", "") in self._projection.cache.alerts
        if size_bytes > self._limit_bytes and not is_open:
            said = phrase(WAL_LARGE, file=self._path.name, size=str(self._limit_bytes // _MIB))
            await self._projection.write(lambda unit: unit.open_alert(WAL_LARGE, level="warning", parts=[said]))
        elif is_open and size_bytes <= self._limit_bytes:
            await self._projection.write(lambda unit: unit.resolve_alert(WAL_LARGE))
