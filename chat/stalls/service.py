"""Turns alerts about tasks that do not get on into turns of their context's conversation: few, and each only once.

The alert itself has reached every person by then. A turn that a stall began reads and proposes; only people act.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from django.db import Error as DatabaseError

from chat.contexts import ANY, Context
from chat.stalls.words import opening
from chat.threads import Threads
from nodes import selectors
from nodes.errors import AgentFlowError
from nodes.projection.published import Published

logger = logging.getLogger(__name__)

A_MINUTE, AN_HOUR = 6, 60
COOLDOWN_SECONDS = 15 * 60.0
_WAITING = 100  # Of alerts not looked at yet the oldest are dropped: their alerts stay open all the same.
_REMEMBERED = 1_000
_KINDS = ("waiting", "stalled")

Begin = Callable[[Context, str, int], Awaitable[str]]


class Stalls:
    """A listener of what is published, and a service. On the loop."""

    name = "stalls"

    def __init__(self, begin: Begin, threads: Threads, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._begin = begin
        self._threads = threads
        self._clock = clock
        self._alerts: deque[dict[str, Any]] = deque(maxlen=_WAITING)
        self._came = asyncio.Event()
        self._is_stopping = False
        self._begun: deque[float] = deque(maxlen=AN_HOUR)
        self._last: dict[tuple[str, str], float] = {}

    @property
    def is_busy(self) -> bool:
        """Alerts have not been looked at yet."""
        return bool(self._alerts)

    def wants(self, topic: str) -> bool:
        return False

    def publish(self, batch: Sequence[Published]) -> None:
        for published in batch:
            if published.key.startswith("alert:"):
                alert = json.loads(published.text)
                if alert["kind"] in _KINDS and alert["task"] and alert["resolvedAt"] is None:
                    self._alerts.append(alert)
                    self._came.set()

    async def run(self) -> None:
        while not self._is_stopping:
            await self._came.wait()
            self._came.clear()
            while self._alerts and not self._is_stopping:
                await self._take(self._alerts.popleft())

    def request_stop(self) -> None:
        self._is_stopping = True
        self._came.set()

    async def _take(self, alert: dict[str, Any]) -> None:
        if not self._may_begin((alert["task"], alert["kind"])):
            return
        try:
            task = await self._threads.read(lambda: selectors.task_detail(alert["task"]))
            context = Context(project=task["project"] or ANY, node=alert["node"] or ANY)
            await self._begin(context, opening(alert["id"], alert["task"], alert["kind"]), int(alert["id"]))
        except (AgentFlowError, DatabaseError) as exc:
            logger.warning("alert %s is not analysed: %s", alert["id"], exc)

    def _may_begin(self, what: tuple[str, str]) -> bool:
        now = self._clock()
        if now - self._last.get(what, -COOLDOWN_SECONDS) < COOLDOWN_SECONDS:
            return False
        in_minute = sum(now - at < 60 for at in self._begun)
        in_hour = sum(now - at < 3600 for at in self._begun)
        if in_minute >= A_MINUTE or in_hour >= AN_HOUR:
            logger.warning("too many tasks are stuck to analyse each; task %s is left to its alert", what[0])
            return False
        self._begun.append(now)
        self._last[what] = now
        while len(self._last) > _REMEMBERED:
            del self._last[next(iter(self._last))]
        return True
