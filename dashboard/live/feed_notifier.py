"""Sends hints from the Leader to separate web processes: the feed's position and the newest ephemeral messages.

Hints use the channel layer. A lost hint costs a database read, never an event. Queued hints are merged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from channels.layers import get_channel_layer  # type: ignore[import-untyped]  # It is untyped.
from redis.exceptions import RedisError

from dashboard.live.layer import FeedChannelLayer
from dashboard.live.topics import LOGS
from nodes.leader.projection.published import Published
from nodes.waits import Backoff

logger = logging.getLogger(__name__)

GROUP = "agentflow.feed"
_EPHEMERAL_LIMIT = 500
_SEND_SECONDS = 5.0


class FeedNotifier:
    """A `nodes.leader.projection.published.Listener` and a service. `publish` never waits."""

    name = "feed-notifier"

    def __init__(self, layer: FeedChannelLayer | None = None) -> None:
        self._layer = layer
        self._seq = 0
        # Newest text per key: a node's metrics, the state of the store. Above the limit Redis must be down, and old
        # values are useless.
        self._ephemeral: dict[str, str] = {}
        self._ready = asyncio.Event()
        self._is_stopping = False

    def wants(self, topic: str) -> bool:
        """Needs log batches in `publish` for their feed numbers; one encoding of each is enough."""
        return topic == LOGS

    def publish(self, batch: Sequence[Published]) -> None:
        for published in batch:
            if published.seq > self._seq:
                self._seq = published.seq
            elif not published.seq:
                self._ephemeral[published.key] = published.text
        if len(self._ephemeral) > _EPHEMERAL_LIMIT:
            self._ephemeral.clear()
        self._ready.set()

    async def run(self) -> None:
        layer = self._layer or get_channel_layer()
        if not isinstance(layer, FeedChannelLayer):
            raise TypeError(f"the notifier needs the Redis channel layer, not {type(layer).__name__}")
        backoff = Backoff(0.2, 5.0)
        is_down = False
        try:
            while await self._wait():
                message = self._take()
                try:
                    async with asyncio.timeout(_SEND_SECONDS):
                        await layer.group_send(GROUP, message)
                except (RedisError, OSError, TimeoutError) as exc:
                    # Retry until the hint is sent, so that every process catches up once Redis is back.
                    self._ready.set()
                    if not is_down:
                        logger.warning("cannot send hints to web processes: %s; retrying", exc)
                    is_down = True
                    await asyncio.sleep(backoff.next_delay())
                    continue
                if is_down:
                    logger.info("hints to web processes work again")
                is_down = False
                backoff.reset()
        finally:
            await layer.on_loop().close()

    def request_stop(self) -> None:
        self._is_stopping = True
        self._ready.set()

    async def _wait(self) -> bool:
        await self._ready.wait()
        self._ready.clear()
        return not self._is_stopping

    def _take(self) -> dict[str, Any]:
        ephemeral, self._ephemeral = list(self._ephemeral.values()), {}
        return {"type": "feed.advanced", "seq": self._seq, "ephemeral": ephemeral}
