"""Ends the process when a journal turns out to be corrupt while in use; the next start quarantines the file."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from nodes.stream.journal.errors import JournalCorrupt
from nodes.stream.journal.journal import Journal


class JournalGuard:
    """A service. Tasks keep running without the agent; the next agent reports again what only the corrupt file held."""

    name = "journals"

    def __init__(self, journals: Collection[Journal]) -> None:
        self._wake = asyncio.Event()
        self._found: JournalCorrupt | None = None
        for journal in journals:
            journal.on_corruption(self._take)

    def request_stop(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Runs until a stop is requested. Raises `JournalCorrupt` when a journal turns out to be corrupt."""
        await self._wake.wait()
        if self._found is not None:
            raise self._found

    def _take(self, error: JournalCorrupt) -> None:
        self._found = self._found or error
        self._wake.set()
