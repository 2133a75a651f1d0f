"""Follows the feed in a separate web process: gets hints over Redis and messages from the database.

There is one subscription per process. While Redis is down, the position is polled every few seconds. Whenever a
subscription starts again, everything since the last read is fetched, so a lost hint never costs an event.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from channels.layers import get_channel_layer  # type: ignore[import-untyped]  # It is untyped.
from django.db import Error as DatabaseError
from redis.exceptions import RedisError

from dashboard.live.broadcaster import Broadcaster
from dashboard.live.feed_notifier import GROUP
from dashboard.live.layer import FeedChannelLayer, FeedLoopLayer
from dashboard.live.ports import Feed
from dashboard.live.topics import ALERTS, NODES, chat
from nodes.database_threads import DatabaseThreads
from nodes.leader.projection.published import Published
from nodes.leader.projection.trouble import STORE_KEY
from nodes.waits import Backoff, wait_at_most

logger = logging.getLogger(__name__)

READ_MESSAGES = 500
# Polling interval while there are no hints.
POLL_SECONDS = 2.0
_START_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    store: str
    position: int
    messages: Sequence[Published] | None  # None = those messages are no longer kept.


class Follower:
    """`run` may be called again after it was cancelled; it then starts at the feed's end."""

    def __init__(
        self, feed: Feed, broadcaster: Broadcaster, threads: DatabaseThreads, *, layer: FeedChannelLayer | None
    ) -> None:
        self._feed = feed
        self._broadcaster = broadcaster
        self._threads = threads
        self._layer = layer
        self._store = ""
        self._cursor = 0
        self._is_polling = True
        self._ready = asyncio.Event()
        self._started = asyncio.Event()

    async def started(self) -> None:
        """Waits until the start position is known; nothing after it is missed. Raises `TimeoutError` if the database
        does not respond.
        """
        async with asyncio.timeout(_START_SECONDS):
            await self._started.wait()

    def request_stop(self) -> None:
        """Makes `started` wait for the next run; the caller cancels this one."""
        self._started.clear()

    async def run(self) -> None:
        self._is_polling = True
        try:
            await self._begin()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(), name="feed-follow")
                if self._layer is not None:
                    tasks.create_task(self._listen(self._layer.on_loop()), name="feed-listen")
        finally:
            self._started.clear()
            if self._layer is not None:
                await self._layer.on_loop().close()

    async def _begin(self) -> None:
        if self._layer is None:
            logger.warning("AGENTFLOW_REDIS_URL is not set: the database is polled every %g s", POLL_SECONDS)
        backoff = Backoff(0.2, 5.0)
        while True:
            try:
                self._store, self._cursor = await self._threads.read(self._feed.position)
                break
            except DatabaseError as exc:
                await self._database_failed(exc, backoff)
        self._broadcaster.advance(self._cursor)
        self._started.set()

    # --- hints ------------------------------------------------------------------------------------

    async def _listen(self, layer: FeedLoopLayer) -> None:
        layer.on_disconnect = self._redis_lost
        layer.on_reconnect = self._redis_restored
        backoff = Backoff(0.2, 5.0)
        while True:
            try:
                channel = await layer.join_group(GROUP)
                break
            except (RedisError, OSError, TimeoutError) as exc:
                delay = backoff.next_delay()
                layer.disconnected(exc, delay)
                await layer.close()
                await asyncio.sleep(delay)
        while True:
            self._hinted(await layer.next_message(channel))

    def _hinted(self, hint: Mapping[str, Any]) -> None:
        """Handles a hint. Anyone with access to Redis can send one, so it can only cause a read or show a metric."""
        seq, ephemeral = hint.get("seq"), hint.get("ephemeral")
        if isinstance(seq, int) and seq > self._cursor:
            self._ready.set()
        if isinstance(ephemeral, list):
            self._broadcaster.publish([found for text in ephemeral if (found := _ephemeral(text)) is not None])

    def _redis_lost(self) -> None:
        self._is_polling = True
        self._ready.set()

    def _redis_restored(self) -> None:
        self._is_polling = False
        self._ready.set()

    # --- the database -----------------------------------------------------------------------------

    async def _follow(self) -> None:
        backoff = Backoff(0.2, 5.0)
        while True:
            await self._wait()
            try:
                # Each read waits for its thread, so the writers can run during a long catch-up.
                is_behind = True
                while is_behind:
                    is_behind = await self._advance()
            except DatabaseError as exc:
                await self._database_failed(exc, backoff)
                self._ready.set()
            else:
                backoff.reset()

    async def _wait(self) -> None:
        await wait_at_most(self._ready, POLL_SECONDS if self._is_polling else None)
        self._ready.clear()

    async def _advance(self) -> bool:
        """Reads and publishes once; True if there may be more."""
        topics = self._broadcaster.topics()
        reading = await self._threads.read(self._read, self._cursor, tuple(topics))
        if reading.store != self._store or reading.position < self._cursor or reading.messages is None:
            logger.warning("cannot follow the feed from %d; every dashboard gets a new snapshot", self._cursor)
            self._store, self._cursor = reading.store, reading.position
            self._broadcaster.restart(reading.position)
            return False
        if not self._broadcaster.topics() <= topics:
            # A socket subscribed during the read, and its topic must not be skipped.
            return True
        messages = reading.messages
        is_full = len(messages) >= READ_MESSAGES
        if is_full:
            # One log batch may be several messages (parts by level), so the last number may be incomplete.
            last = messages[-1].seq
            messages = [message for message in messages if message.seq < last]
            self._cursor = last - 1
        else:
            self._cursor = max([reading.position, *(message.seq for message in messages[-1:])])
        if messages:
            self._broadcaster.publish(messages)
        self._broadcaster.advance(self._cursor)
        return is_full

    def _read(self, cursor: int, topics: Sequence[str]) -> _Reading:
        # Position first: messages committed in between are read now, and because of their order not again.
        store, position = self._feed.position()
        messages = self._feed.feed_since(cursor, topics, READ_MESSAGES) if topics and position > cursor else []
        return _Reading(store=store, position=position, messages=messages)

    async def _database_failed(self, exc: Exception, backoff: Backoff) -> None:
        delay = backoff.next_delay()
        logger.warning("cannot read the feed: %s; retrying in %.1f s", exc, delay)
        await asyncio.sleep(delay)


def feed_layer() -> FeedChannelLayer | None:
    """The Redis channel layer of the settings, if configured."""
    layer = get_channel_layer()
    return layer if isinstance(layer, FeedChannelLayer) else None


def _ephemeral(text: object) -> Published | None:
    if not isinstance(text, str):
        return None
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(message, dict):
        return None
    if message.get("type") == "METRICS" and isinstance(message.get("node"), str):
        return Published(0, (NODES,), text, "metrics", f"node:{message['node']}", message)
    if message.get("type") == "STORE" and message.get("state") in ("ok", "failing"):
        return Published(0, (ALERTS,), text, "state", STORE_KEY, message)
    if message.get("type") in ("CHAT_DELTA", "CHAT_RETRYING") and isinstance(message.get("conversation"), str):
        return Published(0, (chat(message["conversation"]),), text, "state", "", message)
    return None
