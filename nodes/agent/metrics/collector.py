"""Pushes the node's load: on a sufficient change, at most once a second; otherwise once a minute."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from nodes.agent.metrics.change import Thresholds, is_news
from nodes.core.clock import Clock, SystemClock
from nodes.domain.events import Metrics
from nodes.waits import wait_at_most

logger = logging.getLogger(__name__)


class Collector:
    """A service. `latest` is for snapshots. `emit` may drop a push: the next one is complete again."""

    name = "metrics"

    def __init__(
        self,
        sample: Callable[[], Metrics],
        *,
        emit: Callable[[Metrics], Awaitable[None]],
        thresholds: Thresholds | None = None,
        look_seconds: float = 1.0,
        at_least_seconds: float = 60.0,
        clock: Clock | None = None,
    ) -> None:
        self._sample = sample
        self._emit = emit
        self._thresholds = thresholds or Thresholds()
        self._look_seconds = look_seconds
        self._at_least_seconds = at_least_seconds
        self._clock = clock or SystemClock()
        self._sent: Metrics | None = None
        self._sent_mono = 0.0
        self._stop = asyncio.Event()
        self.latest: Metrics | None = None

    def request_stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        while not self._stop.is_set():
            try:
                await self.sample_once()
            except OSError as error:
                logger.warning("cannot sample this machine: %s", error)
            await wait_at_most(self._stop, self._look_seconds)

    async def sample_once(self) -> None:
        """Takes one sample, and pushes it if due."""
        self.latest = metrics = self._sample()
        now = self._clock.mono()
        is_due = self._sent is None or now - self._sent_mono >= self._at_least_seconds
        if is_due or (self._sent is not None and is_news(metrics, self._sent, self._thresholds)):
            self._sent, self._sent_mono = metrics, now
            await self._emit(metrics)
