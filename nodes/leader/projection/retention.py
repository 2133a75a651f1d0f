"""Limits the store's size: removes feed, output and history by age and number, oldest first, in small batches.

Each batch is a separate transaction between those of the live path, so a state waits for at most one batch.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from nodes.core.sqlite_space import shrink_step
from nodes.domain.access import REFUSALS
from nodes.errors import StoreError
from nodes.leader.projection.log_lines import ID_SHIFT
from nodes.leader.projection.state_cache import OPEN_COMMANDS, OPEN_TASKS
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.models import Alert, Attempt, AuditEntry, Command, DeadLetter, Event, FeedEntry, LogLine, Task
from nodes.waits import wait_at_most

logger = logging.getLogger(__name__)

# Rows removed per transaction.
_BATCH = 1_000
# Fewer, because a task's attempts and commands are removed with it.
_TASK_BATCH = 50
_PAUSE_SECONDS = 0.02
# Counts of refused logins and tokens to keep, whatever their age: a long attack must not fill the disk.
_MAX_REFUSALS = 100_000
# Matches the index `attempt_with_log`.
_HAS_LOG = Q(is_log_pruned=False, last_line__gt=0)

# Runs a function in a transaction on the writer's thread: `Projection.write`.
Write = Callable[[Callable[[UnitOfWork], Any]], Awaitable[Any]]
# Runs in one transaction; returns the number of rows removed, None when nothing is left to remove.
Step = Callable[[UnitOfWork], int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionConfig:
    """What is kept. Output is removed with its task at the latest; nothing that is still active is removed."""

    feed_entries: int = 50_000
    feed_age: timedelta = timedelta(days=7)
    log_lines: int = 5_000_000
    log_age: timedelta = timedelta(days=14)
    history_age: timedelta = timedelta(days=90)
    dead_letters: int = 10_000
    audit_age: timedelta = timedelta(days=730)
    every_seconds: float = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What one round did."""

    removed: Mapping[str, int]  # Rows by kind.
    freed_bytes: int  # Given back to the disk.


class Retention:
    """A service. Removes the lines of whole attempts, and only of ended ones. `more`: steps for other apps' tables."""

    name = "retention"

    def __init__(
        self, write: Write, config: RetentionConfig | None = None, more: Mapping[str, Step] | None = None
    ) -> None:
        self._write = write
        self._config = config or RetentionConfig()
        self._more = more or {}
        self._stop = asyncio.Event()
        self._pruning = asyncio.Lock()

    async def run(self) -> None:
        while True:
            await wait_at_most(self._stop, self._config.every_seconds)
            if self._stop.is_set():
                return
            try:
                await self.prune()
            except StoreError as exc:
                logger.warning("cannot prune: %s", exc)

    def request_stop(self) -> None:
        self._stop.set()

    async def prune(self) -> Pruned:
        """Runs until nothing is over its limit or a stop is requested, then gives the space back to the disk."""
        removed: Counter[str] = Counter()
        async with self._pruning:
            bounds = await self._write(lambda unit: _Bounds(self._config, unit.now))
            steps: dict[str, Step] = {name: partial(step, bounds) for name, step in _STEPS.items()}
            for name, step in (*steps.items(), *self._more.items()):
                while not self._stop.is_set():
                    count = await self._write(step)
                    if count is None:
                        break
                    removed[name] += count
                    await asyncio.sleep(_PAUSE_SECONDS)
            freed_bytes = 0
            while not self._stop.is_set() and (freed := await self._write(_shrink)):
                freed_bytes += freed
                await asyncio.sleep(_PAUSE_SECONDS)
        if removed or freed_bytes:
            counts = [f"{count} {name}" for name, count in removed.items()]
            logger.info("pruned: %s", ", ".join([*counts, f"{freed_bytes} bytes freed"]))
        return Pruned(removed=removed, freed_bytes=freed_bytes)


class _Bounds:
    """The limits of this round, computed once, because that requires a walk over the kept rows."""

    def __init__(self, config: RetentionConfig, now: datetime) -> None:
        self.feed_before = now - config.feed_age
        self.logs_before = now - min(config.log_age, config.history_age)
        self.history_before = now - config.history_age
        self.audit_before = now - config.audit_age
        self.last_refusal_over = _last_over(_refusals(), _MAX_REFUSALS)
        self.last_feed_over = _last_over(FeedEntry.objects.all(), config.feed_entries)
        self.last_letter_over = _last_over(DeadLetter.objects.all(), config.dead_letters)
        kept_lines = Attempt.objects.filter(_HAS_LOG).aggregate(total=Sum("last_line"))["total"] or 0
        self.lines_over = kept_lines - config.log_lines


def _last_over(rows: QuerySet[Any], kept: int) -> int:
    """Key of the newest row beyond the number to keep; 0 if there is none."""
    newest_first = rows.order_by("-id").values_list("id", flat=True)
    return newest_first[kept : kept + 1].first() or 0


# --- steps, on the writer's thread: the number of rows removed, None when nothing is left to remove ---------------


def _prune_feed(bounds: _Bounds, unit: UnitOfWork) -> int | None:
    oldest = FeedEntry.objects.order_by("id").values_list("id", "created_at")[:_BATCH]
    over = [key for key, at in oldest if key <= bounds.last_feed_over or at < bounds.feed_before]
    if not over:
        return None
    unit.change(unit.cache.store, feed_floor=max(unit.cache.store.feed_floor, over[-1]))
    return _delete(unit, FeedEntry.objects.filter(id__lte=over[-1]))


def _shrink(unit: UnitOfWork) -> int:
    """Bytes freed by one step. PostgreSQL does this by itself."""
    return shrink_step(connection.connection) if connection.vendor == "sqlite" else 0


def _prune_logs(bounds: _Bounds, unit: UnitOfWork) -> int | None:
    # Running attempts have no `ended_at`, so they are never included.
    oldest = Attempt.objects.filter(_HAS_LOG, ended_at__isnull=False).order_by("ended_at", "id").first()
    if oldest is None or oldest.ended_at is None or (oldest.ended_at >= bounds.logs_before and bounds.lines_over <= 0):
        return None
    lines = LogLine.objects.filter(task_id=oldest.task_id, attempt=oldest.number).order_by("id")
    ids = list(lines.values_list("id", flat=True)[:_BATCH])
    if len(ids) < _BATCH:
        bounds.lines_over -= oldest.last_line
        unit.change(unit.cache.attempts.get((oldest.task_id, oldest.number), oldest), is_log_pruned=True)
    if ids:
        store = unit.cache.store
        unit.change(store, logs_floor=max(store.logs_floor, ids[-1] >> ID_SHIFT))
        _delete(unit, lines.filter(id__lte=ids[-1]))
    return len(ids)


def _prune_tasks(bounds: _Bounds, unit: UnitOfWork) -> int | None:
    """Removes tasks that ended long ago, with their attempts and commands; their output has already been removed."""
    has_log = Attempt.objects.filter(_HAS_LOG, task=OuterRef("pk"))
    old = Task.objects.filter(created_at__lt=bounds.history_before, ended_at__lt=bounds.history_before)
    old = old.exclude(state__in=OPEN_TASKS).filter(~Exists(has_log)).order_by("created_at")
    ids = list(old.values_list("id", flat=True)[:_TASK_BATCH])
    for task_id in ids:
        unit.cache.forget_task(task_id)
    _delete(unit, Task.objects.filter(id__in=ids))
    return len(ids) or None


def _prune_events(bounds: _Bounds, unit: UnitOfWork) -> int | None:
    oldest = Event.objects.order_by("id").values_list("id", "received_at")[:_BATCH]
    over = [key for key, at in oldest if at < bounds.history_before]
    return _delete(unit, Event.objects.filter(id__lte=over[-1])) if over else None


def _prune_commands(bounds: _Bounds, unit: UnitOfWork) -> int | None:
    old = Command.objects.filter(created_at__lt=bounds.history_before).exclude(state__in=OPEN_COMMANDS)
    return _delete_some(unit, Command.objects, old)


def _prune_alerts(bounds: _Bounds, unit: UnitOfWork) -> int | None:
    return _delete_some(unit, Alert.objects, Alert.objects.filter(resolved_at__lt=bounds.history_before))


def _prune_letters(bounds: _Bounds, unit: UnitOfWork) -> int | None:
    oldest = DeadLetter.objects.order_by("id").values_list("id", "received_at")[:_BATCH]
    over = [key for key, at in oldest if key <= bounds.last_letter_over or at < bounds.history_before]
    return _delete(unit, DeadLetter.objects.filter(id__lte=over[-1])) if over else None


def _prune_audit(bounds: _Bounds, unit: UnitOfWork) -> int | None:
    oldest = AuditEntry.objects.order_by("id").values_list("id", "at")[:_BATCH]
    over = [key for key, at in oldest if at < bounds.audit_before]
    return _delete(unit, AuditEntry.objects.filter(id__lte=over[-1])) if over else None


def _prune_refusals(bounds: _Bounds, unit: UnitOfWork) -> int | None:
    return _delete_some(unit, AuditEntry.objects, _refusals().filter(id__lte=bounds.last_refusal_over))


def _refusals() -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(result__in=REFUSALS)


def _delete_some(unit: UnitOfWork, manager: Any, over: QuerySet[Any]) -> int | None:
    ids = list(over.order_by().values_list("pk", flat=True)[:_BATCH])
    return _delete(unit, manager.filter(pk__in=ids)) if ids else None


def _delete(unit: UnitOfWork, rows: QuerySet[Any]) -> int:
    removed, _ = rows.delete()
    unit.changes += removed
    return removed


_STEPS: Mapping[str, Callable[[_Bounds, UnitOfWork], int | None]] = {
    "feed messages": _prune_feed,
    "log lines": _prune_logs,
    "tasks": _prune_tasks,
    "history entries": _prune_events,
    "commands": _prune_commands,
    "alerts": _prune_alerts,
    "dead letters": _prune_letters,
    "audit entries": _prune_audit,
    "refusals": _prune_refusals,
}
