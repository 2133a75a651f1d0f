"""Revoked tokens, read from the database, because other processes revoke them (`manage.py token revoke`, the admin)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection

from nodes.errors import ConfigError, StoreError
from nodes.leader.projection.projection import Projection
from nodes.models import NodeToken
from nodes.stream.identity.edge_keys import revoked_key
from nodes.stream.identity.revoked_file import RevokedFile
from nodes.waits import wait_at_most

logger = logging.getLogger(__name__)

# A revoked stream must end within 10 s. Polling costs one read of an indexed table, less than a notification would.
_LOOK_SECONDS = 5.0


class Revocations:
    """A service; every token and every signature is checked against `ids`, which also contains keys."""

    name = "revocations"

    def __init__(self, file: RevokedFile) -> None:
        """Raises `ConfigError` when the file cannot be read."""
        self._file = file
        self.ids: set[str] = file.read()
        self._kept: frozenset[str] = frozenset()  # These are in the file.
        self._stop = asyncio.Event()
        self._projection: Projection | None = None
        self._on_new: Callable[[Collection[str]], None] = lambda ids: None

    async def start(self, projection: Projection, on_new: Callable[[Collection[str]], None]) -> None:
        """Reads them once, before any stream may open; `on_new` is called for those revoked later."""
        self._projection = projection
        await self._check()
        self._on_new = on_new

    async def run(self) -> None:
        await wait_at_most(self._stop, _LOOK_SECONDS)
        while not self._stop.is_set():
            try:
                await self._check()
            except (ConfigError, StoreError) as exc:
                logger.warning("cannot read or keep revoked tokens: %s", exc)
            await wait_at_most(self._stop, _LOOK_SECONDS)

    def request_stop(self) -> None:
        self._stop.set()

    async def _check(self) -> None:
        if self._projection is None:
            raise AssertionError("started before it runs")
        revoked = await self._projection.write(lambda unit: _revoked_here())
        news = revoked - self.ids
        self.ids |= revoked
        if news:
            self._on_new(news)
        if not self._kept >= revoked:
            await asyncio.to_thread(self._file.add, revoked)
            self._kept = frozenset(revoked)


def _revoked_here() -> set[str]:
    """Token ids, and the keys of Edges' tokens: a revoked key also ends what else was issued for it."""
    rows = NodeToken.objects.filter(revoked_at__isnull=False).values_list("token_id", "public_key")
    found: set[str] = set()
    for token_id, public_key in rows:
        found.add(token_id)
        if public_key:
            found.add(revoked_key(bytes.fromhex(public_key)))
    return found
