"""Which engine answers now: the model that the operator set up, or the offline one when it may not be used."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from django.db.models import Sum

from chat.config import ChatConfig
from chat.engines.offline import OfflineEngine
from chat.engines.protocol import Engine
from chat.models import EngineStatus, Turn
from chat.ports import Writes
from chat.threads import Threads
from nodes.projection.unit import Unit

logger = logging.getLogger(__name__)

NO_KEY = "no-key"
CHOSEN = "chosen"  # The operator wants the offline engine.
DAILY_LIMIT = "daily-limit"


class Engines:
    """On the loop. The model's module is loaded at the first request that goes to it."""

    def __init__(self, config: ChatConfig, *, writes: Writes, threads: Threads) -> None:
        self._config = config
        self._writes = writes
        self._threads = threads
        self._offline = OfflineEngine(threads)
        self._model: Engine | None = None
        self._day = datetime.now(UTC).date()
        self._spent_microusd = 0
        self._told = ""

    async def start(self) -> None:
        """Counts what was spent today, and tells which engine it is."""
        self._spent_microusd = await self._threads.read(self._read_spent)
        await self._tell()

    async def current(self) -> Engine:
        await self._tell()
        if self._reason():
            return self._offline
        if self._model is None:
            from chat.engines.claude import ClaudeEngine

            self._model = ClaudeEngine(self._config)
        return self._model

    async def spent(self, cost_microusd: int) -> None:
        self._spent_microusd += cost_microusd
        await self._tell()

    async def aclose(self) -> None:
        if self._model is not None:
            await self._model.aclose()

    def _reason(self) -> str:
        """Why the offline engine answers; empty when the model does."""
        today = datetime.now(UTC).date()
        if today != self._day:
            self._day, self._spent_microusd = today, 0
        if self._config.provider == "offline":
            return CHOSEN
        if not self._config.uses_model:
            return NO_KEY
        limit = self._config.daily_limit_usd
        return DAILY_LIMIT if limit and self._spent_microusd >= limit * 1_000_000 else ""

    async def _tell(self) -> None:
        reason = self._reason()
        name, model = ("offline", "") if reason else ("claude", self._config.model)
        if (told := f"{name} {model} {reason}") == self._told:
            return
        self._told = told
        logger.info("the conversation's engine is %s%s", name, f" ({reason})" if reason else f", {model}")

        def write(unit: Unit) -> None:
            unit.changes += 1
            EngineStatus.objects.update_or_create(id=1, defaults={"name": name, "model": model, "reason": reason})

        await self._writes.write(write)

    def _read_spent(self) -> int:
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        found = Turn.objects.filter(created_at__gte=midnight).aggregate(total=Sum("cost_microusd"))
        return int(found["total"] or 0)
