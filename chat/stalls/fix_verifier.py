"""Decides whether each applied fix helped, driven by published changes and a timer for the next deadline.

Watched fixes are in the database, so a restart loses none. A verdict is stored, published, added to the conversation
and remembered in one transaction.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from django.db import Error as DatabaseError

from chat.models import Analysis
from chat.ports import Writes
from chat.stalls.outcome import give_verdict
from chat.stalls.stall_context import KINDS, action_of, fingerprint, pieces_of, tail_of
from chat.stalls.verdicts import Judgement, Observation, judge
from chat.states import FixVerdict
from chat.store import fix_of
from nodes.database_threads import DatabaseThreads
from nodes.domain.states import TaskState
from nodes.errors import StoreError
from nodes.leader.projection.published import Published
from nodes.models import Alert, Task
from nodes.waits import wait_at_most

logger = logging.getLogger(__name__)

_STORE_SECONDS = 2.0  # Delay before a failed query is repeated.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    analysis_id: str
    task_id: str
    judged: Judgement


class FixVerifier:
    """A listener of published changes, and a service. Runs on the event loop."""

    name = "verdicts"

    def __init__(self, writes: Writes, threads: DatabaseThreads) -> None:
        self._writes = writes
        self._threads = threads
        self._tasks: frozenset[str] = frozenset()  # Tasks of the watched fixes.
        self._woken = asyncio.Event()
        self._is_stopping = False

    def wants(self, topic: str) -> bool:
        return False

    def publish(self, batch: Sequence[Published]) -> None:
        if any(self._concerns(published) for published in batch):
            self._woken.set()

    def _concerns(self, published: Published) -> bool:
        body = published.body
        if published.type == "CHAT_ANALYSIS":
            return bool(body["analysis"]["verdict"] == FixVerdict.WATCHING)
        if published.type == "ALERT":
            return body["task"] in self._tasks
        # Only final states matter; progress is frequent.
        return (
            published.type == "TASK_UPDATE"
            and body["task"]["id"] in self._tasks
            and TaskState(body["task"]["state"]).is_final
        )

    async def run(self) -> None:
        while not self._is_stopping:
            self._woken.clear()
            try:
                delay = await self._look()
            except (StoreError, DatabaseError) as exc:
                logger.warning("could not check fixes: %s; retrying in %g s", exc, _STORE_SECONDS)
                delay = _STORE_SECONDS
            await wait_at_most(self._woken, delay)

    def request_stop(self) -> None:
        self._is_stopping = True
        self._woken.set()

    async def _look(self) -> float | None:
        """Stores due verdicts. Returns seconds until the next deadline; None = nothing is watched."""
        watched = await self._threads.read(_watched)
        self._tasks = frozenset(one.task_id for one in watched)
        for one in watched:
            if one.judged.verdict is not FixVerdict.WATCHING:
                await self._writes.write(partial(give_verdict, analysis_id=one.analysis_id, judged=one.judged))
        deadlines = [one.judged.again_at for one in watched if one.judged.again_at is not None]
        return max(0.0, (min(deadlines) - datetime.now(UTC)).total_seconds()) + 0.01 if deadlines else None


def _watched() -> list[_Watched]:
    now = datetime.now(UTC)
    rows = Analysis.objects.filter(verdict=FixVerdict.WATCHING).order_by("created_at")
    return [_Watched(analysis_id=row.id, task_id=row.task_id, judged=judge(_observed(row, now), now)) for row in rows]


def _observed(analysis: Analysis, now: datetime) -> Observation:
    task = Task.objects.filter(id=analysis.task_id).first()
    alert = Alert.objects.filter(id=analysis.alert_id).first()
    later = Alert.objects.filter(task_id=analysis.task_id, kind__in=KINDS, id__gt=analysis.alert_id)
    return Observation(
        action=action_of(fix_of(analysis, analysis.verdict_fix)["tool"]),
        state=TaskState(task.state) if task is not None else None,
        # A missing alert was pruned, so it was resolved long ago.
        resolved_at=alert.resolved_at if alert is not None else now,
        later=tuple(
            fingerprint(
                project=task.project if task is not None else "",
                name=task.name if task is not None else "",
                kind=one.kind,
                tail=tail_of(pieces_of(one.evidence)),
            )
            for one in later
        ),
        fingerprint=analysis.fingerprint,
        until=analysis.watched_until or now,
    )
