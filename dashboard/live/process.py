"""The live side of one process: its broadcaster, threads, and source of messages.

In the Leader's process the projection publishes directly into it (`lead`). A separate web process follows the feed in
the database, woken by hints (`dashboard.live.follower`). It starts with the first socket, because Daphne has no
start-up hook.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib.auth.signals import user_logged_out

from chat import selectors as chat_selectors
from chat import services as chat_services
from dashboard.live.access import RoleWatch
from dashboard.live.answers import Answers
from dashboard.live.broadcaster import Broadcaster
from dashboard.live.feed_notifier import FeedNotifier
from dashboard.live.follower import Follower, feed_layer
from dashboard.live.ports import Chats, Feed, Services, Tickets
from nodes import selectors
from nodes.database_threads import DatabaseThreads
from nodes.leader.projection.published import FanOut, Listener, Published

logger = logging.getLogger(__name__)


MAX_SOCKETS = 2_000
# So that nobody can keep the others out.
MAX_SOCKETS_PER_USER = 1_000


class Live:
    """State shared by all sockets of a process. `enter` and `leave` count them."""

    def __init__(
        self,
        *,
        feed: Feed,
        services: Services,
        tickets: Tickets,
        chats: Chats | None = None,
        heartbeat_seconds: float = 30.0,
        is_behind_https_proxy: bool = False,
        trusted_origins: Sequence[str] = (),
        is_leader: bool = True,
    ) -> None:
        self.feed = feed
        self.services = services
        self.chats: Chats = chats or chat_services
        self.tickets = tickets
        self.heartbeat_seconds = heartbeat_seconds
        self.is_behind_https_proxy = is_behind_https_proxy
        self.trusted_origins = tuple(trusted_origins)
        self.threads = DatabaseThreads("live", size=4)
        self.broadcaster = Broadcaster()
        self.answers = Answers(feed, self.broadcaster, self.threads)
        self.roles = RoleWatch(tickets, self.threads)
        self._follower = None if is_leader else Follower(feed, self.broadcaster, self.threads, layer=feed_layer())
        self._sockets = 0
        # How to drop each socket whose user is not known (yet), oldest first.
        self._strangers: dict[object, Callable[[], None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._background: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        user_logged_out.connect(self._logged_out, dispatch_uid=f"live-{id(self)}")

    def has_room(self) -> bool:
        """Whether one more socket may open. When all places are taken, the socket that has been without a user for the
        longest gives up its own, so that strangers cannot keep people out.
        """
        if self._sockets < MAX_SOCKETS:
            return True
        oldest = next(iter(self._strangers), None)
        if oldest is None:
            return False
        self._strangers.pop(oldest)()
        return True

    def add_stranger(self, socket: object, drop: Callable[[], None]) -> None:
        """`drop` is called at most once, on the event loop, to end the socket at once."""
        self._strangers[socket] = drop

    def remove_stranger(self, socket: object) -> None:
        """The socket's user is known, or it has ended."""
        self._strangers.pop(socket, None)

    async def enter(self) -> None:
        """A socket opened. Waits until the feed is followed. Raises `TimeoutError` if the feed cannot be read."""
        self._sockets += 1
        if self._background is None:
            self._loop = asyncio.get_running_loop()
            self._background = self._loop.create_task(self._run(self._ending), name="live-background")
        if self._follower is not None:
            await self._follower.started()

    async def leave(self) -> None:
        """A socket closed. The last one stops the background work."""
        self._sockets -= 1
        if self._sockets or self._background is None:
            return
        self._ending, self._background = self._background, None
        if self._follower is not None:
            self._follower.request_stop()
        self._ending.cancel()
        await asyncio.wait([self._ending])

    async def _run(self, before: asyncio.Task[None] | None) -> None:
        """`before`: an earlier run that may still be ending; a process has only one subscription."""
        if before is not None:
            await asyncio.wait([before])
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.roles.run(), name="live-roles")
                if self._follower is not None:
                    tasks.create_task(self._follower.run(), name="live-follower")
        except Exception:
            logger.exception("following the feed failed; every dashboard gets a new snapshot")
            self._background = None
            self.broadcaster.restart(self.broadcaster.position)

    def _logged_out(self, *, request: Any, **_: Any) -> None:
        """Signal handler, on the request's thread."""
        session_key = getattr(getattr(request, "session", None), "session_key", None)
        if self._loop is not None and session_key and self._sockets:
            self._loop.call_soon_threadsafe(self.roles.session_ended, session_key)


class FleetAndChats:
    """The database's feed, which contains the fleet and the conversations."""

    def position(self) -> tuple[str, int]:
        return selectors.position()

    def snapshot(self, topics: Sequence[str]) -> dict[str, Any]:
        return {**selectors.snapshot(topics), **chat_selectors.snapshot(topics)}

    def feed_since(self, seq: int, topics: Sequence[str] | None, limit: int) -> list[Published] | None:
        return selectors.feed_since(seq, topics, limit)


_lock = threading.Lock()
# Global, because Django and Daphne create views and consumers without custom arguments.
_live: Live | None = None
_notifier: FeedNotifier | None = None


def current() -> Live:
    """This process's live side, created by the first call. Without an earlier `lead`, it follows another process."""
    return _make(is_leader=False)


def lead() -> tuple[Listener, FeedNotifier | None]:
    """Sets up the Leader's process; call it once, before serving. Returns the projection's listener, and the service
    that notifies other web processes (None without Redis)."""
    global _notifier
    live = _make(is_leader=True)
    from django.conf import settings

    if not settings.REDIS_URL:
        return live.broadcaster, None
    _notifier = _notifier or FeedNotifier()
    return FanOut(live.broadcaster, _notifier), _notifier


def _make(*, is_leader: bool) -> Live:
    global _live
    with _lock:
        if _live is None:
            from django.conf import settings

            from dashboard import tickets
            from nodes import services

            _live = Live(
                feed=FleetAndChats(),
                services=services,
                tickets=tickets,
                heartbeat_seconds=settings.HEARTBEAT_SECONDS,
                is_behind_https_proxy=settings.ENV.behind_https_proxy,
                trusted_origins=settings.CSRF_TRUSTED_ORIGINS,
                is_leader=is_leader,
            )
        return _live
