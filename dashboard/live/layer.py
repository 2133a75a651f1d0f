"""The Redis channel layer with fixes. It transports hints; the database is the source of truth.

channels_redis 4.3.0's pub/sub layer accepts `on_disconnect` and `on_reconnect` but never calls them, wakes ten times a
second, and logs a traceback a second while Redis is down. A subscriber must know about a disconnect, because hints sent
in the meantime are lost. So this receiver waits without polling, calls both, and logs an outage as one line. There is
no public API for this: tests/integration/test_live_follower.py guards the private names, with a real Redis.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer, RedisPubSubLoopLayer, RedisSingleShardConnection
from redis.exceptions import RedisError

from nodes.waits import Backoff

logger = logging.getLogger(__name__)

# Timeout of a blocking read, after which redis-py sends its health check and notices a dead link.
READ_SECONDS = 10.0


class _Connection(RedisSingleShardConnection):
    async def _do_receiving(self) -> None:
        layer: FeedLoopLayer = self.channel_layer
        backoff = Backoff(0.2, 5.0)
        while True:
            try:
                if self._pubsub is None or not self._pubsub.subscribed:
                    await asyncio.sleep(0.05)
                    continue
                message = await self._pubsub.get_message(ignore_subscribe_messages=False, timeout=READ_SECONDS)
            except (RedisError, OSError, TimeoutError) as exc:
                delay = backoff.next_delay()
                layer.disconnected(exc, delay)
                await asyncio.sleep(delay)
                continue
            if message is None:
                continue
            backoff.reset()
            if message["type"] == "subscribe":
                # Also after each reconnect, as redis-py resubscribes automatically.
                layer.subscribed()
            elif message["type"] == "message":
                self._receive_message(message)  # type: ignore[no-untyped-call]  # channels_redis is untyped.


class FeedLoopLayer(RedisPubSubLoopLayer):
    """The layer of one event loop. Set `on_disconnect` and `on_reconnect`; both are called on the loop."""

    on_disconnect: Callable[[], None] | None
    on_reconnect: Callable[[], None] | None

    def __init__(self, hosts: list[Mapping[str, Any]], **kwargs: Any) -> None:
        super().__init__(hosts=hosts, **kwargs)  # type: ignore[no-untyped-call]  # As above.
        connection: Any = _Connection
        self._shards = [connection(shard.host, self) for shard in self._shards]
        self._is_down = False

    async def join_group(self, group: str) -> str:
        """Creates a channel in the group. Raises Redis's errors."""
        untyped: Any = self
        channel: str = await untyped.new_channel()
        await untyped.group_add(group, channel)
        return channel

    async def close(self) -> None:
        """Closes the subscription and the connections; the layer can be used again."""
        untyped: Any = self
        await untyped.flush()

    async def next_message(self, channel: str) -> dict[str, Any]:
        """Like `receive`, but cancelling it keeps the subscription until `close`."""
        message: dict[str, Any] = self.channel_layer.deserialize(await self.channels[channel].get())
        return message

    def disconnected(self, exc: Exception, retry_seconds: float) -> None:
        if self._is_down:
            logger.debug("Redis is still unreachable: %s; retrying in %.1f s", exc, retry_seconds)
            return
        self._is_down = True
        logger.warning("Redis is unreachable: %s; retrying with growing delays; dashboards keep working", exc)
        if self.on_disconnect is not None:
            self.on_disconnect()

    def subscribed(self) -> None:
        if self._is_down:
            logger.info("Redis is back")
            self._is_down = False
        if self.on_reconnect is not None:
            self.on_reconnect()


class FeedChannelLayer(RedisPubSubChannelLayer):
    """The backend for CHANNEL_LAYERS."""

    def on_loop(self) -> FeedLoopLayer:
        """The layer of the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._layers:
            self._layers[loop] = FeedLoopLayer(*self._args, **self._kwargs, channel_layer=self)
        layer: FeedLoopLayer = self._layers[loop]
        return layer

    def _get_layer(self) -> FeedLoopLayer:
        return self.on_loop()
