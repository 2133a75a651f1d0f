"""Keeps the store from growing for ever: feed, output and history by age and size, oldest first, in small batches."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Sum

from nodes.errors import StoreError
from nodes.models import Attempt, Command, DeadLetter, Event, FeedEntry, LogLine
from nodes.projection.image import OPEN_COMMANDS, OPEN_TASKS
from nodes.projection.log_lines import ID_SHIFT
from nodes.projection.projection import Projection
from nodes.projection.unit import Unit

logger = logging.getLogger(__name__)

# Rows removed in one transaction: a state waits for no longer than this takes.
_BATCH = 1_000
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionConfig:
    feed_entries: int = 50_000
    log_lines: int = 5_000_000
    log_age: timedelta = timedelta(days=14)
    history_age: timedelta = timedelta(days=90)
    dead_letters: int = 10_000
    every_seconds: float = 3_600.0


class Retention:
    """A service. Lines leave by whole attempts, and only of attempts that have ended."""

    name = "retention"

    def __init__(self, projection: Projection, config: RetentionConfig | None = None) -> None:
        self._projection = projection
        self._config = config or RetentionConfig()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        while not self._stop.is_set():
            try:
                async with asyncio.timeout(self._config.every_seconds):
                    await self._stop.wait()
            except TimeoutError:
                try:
                    await self.prune()
                except StoreError as exc:
                    logger.warning("nothing could be pruned: %s", exc)

    def request_stop(self) -> None:
        self._stop.set()

    async def prune(self) -> None:
        """One round; returns when nothing is over its limit, or a stop was asked."""
        for step in (
            self._prune_feed,
            self._prune_logs,
            self._prune_history,
            self._prune_commands,
            self._prune_letters,
        ):
            while await self._projection.write(step):
                if self._stop.is_set():
                    return
                await asyncio.sleep(_PAUSE_SECONDS)

    # --- steps, on the writer's thread; True = there may be more ----------------------------------

    def _prune_feed(self, unit: Unit) -> bool:
        kept = FeedEntry.objects.order_by("-id").values_list("id", flat=True)
        newest_over = kept[self._config.feed_entries : self._config.feed_entries + 1].first()
        if newest_over is None:
            return False
        oldest = list(FeedEntry.objects.order_by("id").values_list("id", flat=True)[:_BATCH])
        last = min(oldest[-1], newest_over)
        unit.change(unit.image.store, feed_floor=max(unit.image.store.feed_floor, last))
        FeedEntry.objects.filter(id__lte=last).delete()
        return True

    def _prune_logs(self, unit: Unit) -> bool:
        ended = Attempt.objects.exclude(state__in=OPEN_TASKS).filter(is_log_pruned=False, last_line__gt=0)
        oldest = ended.order_by("created_at", "id").first()
        if oldest is None:
            return False
        is_old = oldest.created_at < unit.now - self._config.log_age
        if not is_old:
            total = Attempt.objects.filter(is_log_pruned=False).aggregate(total=Sum("last_line"))["total"] or 0
            if total <= self._config.log_lines:
                return False
        lines = LogLine.objects.filter(task_id=oldest.task_id, attempt=oldest.number).order_by("id")
        ids = list(lines.values_list("id", flat=True)[:_BATCH])
        if not ids:
            attempt = unit.image.attempts.get((oldest.task_id, oldest.number), oldest)
            unit.change(attempt, is_log_pruned=True)
            return True
        store = unit.image.store
        unit.change(store, logs_floor=max(store.logs_floor, ids[-1] >> ID_SHIFT))
        lines.filter(id__lte=ids[-1]).delete()
        return True

    def _prune_history(self, unit: Unit) -> bool:
        old = Event.objects.filter(received_at__lt=unit.now - self._config.history_age).order_by("id")
        ids = list(Event.objects.order_by("id").values_list("id", flat=True)[:_BATCH])
        removed, _ = old.filter(id__in=ids).delete() if ids else (0, {})
        unit.changes += removed
        return removed == _BATCH

    def _prune_commands(self, unit: Unit) -> bool:
        old = Command.objects.filter(created_at__lt=unit.now - self._config.history_age).exclude(
            state__in=OPEN_COMMANDS
        )
        ids = list(old.values_list("id", flat=True)[:_BATCH])
        removed, _ = Command.objects.filter(id__in=ids).delete() if ids else (0, {})
        unit.changes += removed
        return removed == _BATCH

    def _prune_letters(self, unit: Unit) -> bool:
        over = list(DeadLetter.objects.values_list("id", flat=True)[self._config.dead_letters :][:_BATCH])
        removed, _ = DeadLetter.objects.filter(id__in=over).delete() if over else (0, {})
        unit.changes += removed
        return removed == _BATCH
