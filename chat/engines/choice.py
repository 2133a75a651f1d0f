"""Chooses the engine: the model that the operator configured, or the offline engine when the model cannot be used."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.db.models import Sum

from chat.config import ChatConfig
from chat.engines.offline import OfflineEngine
from chat.engines.protocol import ANSWER_TOKENS, Analyst, Engine, Usage
from chat.models import EngineStatus, Turn
from chat.ports import Writes
from chat.pricing import cost_microusd
from nodes.database_threads import DatabaseThreads
from nodes.leader.projection.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from chat.engines.claude import ClaudeEngine

logger = logging.getLogger(__name__)

NO_KEY = "no-key"
CHOSEN = "chosen"  # The operator chose the offline engine.
DAILY_LIMIT = "daily-limit"
_LEAST_BYTES_A_TOKEN = 2.0


class Engines:
    """Runs on the event loop. The model's module is loaded at the first request that needs it."""

    def __init__(self, config: ChatConfig, *, writes: Writes, threads: DatabaseThreads) -> None:
        self._config = config
        self._writes = writes
        self._threads = threads
        self._offline = OfflineEngine(threads)
        self._model: ClaudeEngine | None = None
        self._day = datetime.now(UTC).date()
        self._spent_microusd = 0
        self._reserved_microusd = 0  # The highest possible cost of automatic questions in progress.
        self._announced = ""

    async def start(self) -> None:
        """Adds up today's cost and logs which engine is used."""
        self._spent_microusd = await self._threads.read(self._read_spent)
        await self._announce()

    async def current(self) -> Engine:
        await self._announce()
        return self._offline if self._reason() else self._the_model()

    @asynccontextmanager
    async def analyst(self, size_bytes: int) -> AsyncIterator[Analyst | None]:
        """The analyst for an automatic question of this size; None = use the rules.

        Such a request is sent only if its highest possible cost, plus that of others in progress, fits the daily limit.
        """
        await self._announce()
        highest = self._highest_cost(size_bytes)
        limit = round(self._config.daily_limit_usd * 1_000_000)
        if self._reason() or (limit and self._spent_microusd + self._reserved_microusd + highest > limit):
            yield None
            return
        self._reserved_microusd += highest
        try:
            yield self._the_model()
        finally:
            self._reserved_microusd -= highest

    def _the_model(self) -> ClaudeEngine:
        if self._model is None:
            from chat.engines.claude import ClaudeEngine

            self._model = ClaudeEngine(self._config)
        return self._model

    def _highest_cost(self, size_bytes: int) -> int:
        usage = Usage(input=round(size_bytes / _LEAST_BYTES_A_TOKEN), output=ANSWER_TOKENS)
        return cost_microusd(self._config.model, usage)

    async def spent(self, cost_microusd: int) -> None:
        self._spent_microusd += cost_microusd
        await self._announce()

    async def aclose(self) -> None:
        if self._model is not None:
            await self._model.aclose()

    def _reason(self) -> str:
        """Why the offline engine is used; empty when the model is."""
        today = datetime.now(UTC).date()
        if today != self._day:
            self._day, self._spent_microusd = today, 0
        if self._config.provider == "offline":
            return CHOSEN
        if not self._config.uses_model:
            return NO_KEY
        limit = self._config.daily_limit_usd
        return DAILY_LIMIT if limit and self._spent_microusd >= limit * 1_000_000 else ""

    async def _announce(self) -> None:
        reason = self._reason()
        name, model = ("offline", "") if reason else ("claude", self._config.model)
        if (status := f"{name} {model} {reason}") == self._announced:
            return
        self._announced = status
        logger.info("the conversation's engine is %s%s", name, f" ({reason})" if reason else f", {model}")

        def write(unit: UnitOfWork) -> None:
            unit.changes += 1
            EngineStatus.objects.update_or_create(id=1, defaults={"name": name, "model": model, "reason": reason})

        await self._writes.write(write)

    def _read_spent(self) -> int:
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        found = Turn.objects.filter(created_at__gte=midnight).aggregate(total=Sum("cost_microusd"))
        return int(found["total"] or 0)
