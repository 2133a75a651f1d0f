"""The Leader's word to web processes of their own: "the feed has reached N", with the newest of what the feed
does not hold.

A hint, over the channel layer: what is lost costs a read of the database, never an event. Hints that queue up become
one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from channels.layers import get_channel_layer  # type: ignore[import-untyped]  # It has no types.
from redis.exceptions import RedisError

from dashboard.live.delays import Delays
from dashboard.live.layer import FeedChannelLayer
from dashboard.live.topics import LOGS
from nodes.leader.projection.published import Published

logger = logging.getLogger(__name__)

GROUP = "agentflow.feed"
_EPHEMERAL_LIMIT = 500
_SEND_SECONDS = 5.0


class Announcer:
    """A `nodes.leader.projection.published.Listener` and a service. `publish` never waits."""

    name = "announcer"

    def __init__(self, layer: FeedChannelLayer | None = None) -> None:
        self._layer = layer
        self._seq = 0
        # Newest text per key: metrics of a node, the store's trouble. More than the limit means that Redis is away, and
        # old figures are worth nothing.
        self._ephemeral: dict[str, str] = {}
        self._ready = asyncio.Event()
        self._is_stopping = False

    def wants(self, topic: str) -> bool:
        """Log batches must show up in `publish` for their feed numbers; one encoding of each will do."""
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
            raise TypeError(f"the announcer needs the Redis channel layer, not {type(layer).__name__}")
        delays = Delays()
        is_down = False
        try:
            while await self._wait():
                message = self._take()
                try:
                    async with asyncio.timeout(_SEND_SECONDS):
                        await layer.group_send(GROUP, message)
                except (RedisError, OSError, TimeoutError) as exc:
                    # The hint is repeated until it is out, so that nobody stays behind once Redis is back.
                    self._ready.set()
                    if not is_down:
                        logger.warning("hints to web processes cannot be sent: %s; tried again until they can", exc)
                    is_down = True
                    await asyncio.sleep(delays.next_seconds())
                    continue
                if is_down:
                    logger.info("hints to web processes go out again")
                is_down = False
                delays.reset()
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
