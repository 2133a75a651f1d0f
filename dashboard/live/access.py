"""Rechecks each viewer's role once a minute and at logout, because a socket must not outlive the viewer's rights."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from dashboard.live.ports import Tickets
from dashboard.rights import Role
from dashboard.tickets import Viewer
from nodes.database_threads import DatabaseThreads

logger = logging.getLogger(__name__)

RECHECK_SECONDS = 60.0


class RoleWatch:
    """One query per person and minute, for any number of sockets."""

    def __init__(self, tickets: Tickets, threads: DatabaseThreads, *, recheck_seconds: float = RECHECK_SECONDS) -> None:
        self._tickets = tickets
        self._threads = threads
        self._recheck_seconds = recheck_seconds
        self._sockets: dict[object, tuple[Viewer, Callable[[Role], None]]] = {}

    def add(self, socket: object, viewer: Viewer, on_role: Callable[[Role], None]) -> None:
        """`on_role` is called on the event loop with the role at each check."""
        self._sockets[socket] = (viewer, on_role)

    def remove(self, socket: object) -> None:
        self._sockets.pop(socket, None)

    def count(self, user_id: int) -> int:
        """The user's sockets."""
        return sum(viewer.user_id == user_id for viewer, _ in self._sockets.values())

    def session_ended(self, session_key: str) -> None:
        """Logout: the session's sockets lose all rights at once. No query: the session may still be in the database."""
        for viewer, on_role in list(self._sockets.values()):
            if session_key and viewer.session_key == session_key:
                on_role(Role.NOBODY)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._recheck_seconds)
            await self.check()

    async def check(self) -> None:
        for who in {(v.user_id, v.session_key, v.token_id): v for v, _ in self._sockets.values()}.values():
            try:
                role = await self._threads.read(self._tickets.recheck, who)
            except Exception:
                # The database is down, so nobody can read or do anything; the next check is in a minute.
                logger.exception("could not check a viewer's role; retrying in %g s", self._recheck_seconds)
                return
            for viewer, on_role in list(self._sockets.values()):
                if (viewer.user_id, viewer.session_key, viewer.token_id) == (
                    who.user_id,
                    who.session_key,
                    who.token_id,
                ):
                    on_role(role)
