"""Starts a turn for each alert about a stuck task, in the conversation of its context.

People have already been notified of the alert. Alerts raised while the Leader was down, or that did not fit into the
queue, are read from the database. `chat.stalls.queue` decides the order.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from django.db import Error as DatabaseError

from chat.contexts import ANY, Context
from chat.models import Analysis, Turn
from chat.phrases import Phrase
from chat.stalls.queue import MOST_WAITING, Batch, Queue, Stuck
from chat.stalls.stall_context import KINDS, fingerprint, pieces_of, tail_of
from chat.stalls.texts import opening
from chat.states import OPEN_TURNS, FixVerdict
from nodes.database_threads import DatabaseThreads
from nodes.errors import AgentFlowError
from nodes.leader.projection.published import Published
from nodes.models import Alert, Task
from nodes.waits import wait_at_most

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 20.0
_STORE_SECONDS = 2.0  # Delay before a failed query is repeated.

# (context, turn's text, alert, other tasks with the same problem) → the turn's id.
Begin = Callable[[Context, Phrase, int, Sequence[str]], Awaitable[str]]


class Stalls:
    """A listener of published changes, and a service. Runs on the event loop."""

    name = "stalls"

    def __init__(
        self,
        begin: Begin,
        threads: DatabaseThreads,
        *,
        recovered: asyncio.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`recovered` is set once the turns of an earlier process are settled; then open alerts can be queued."""
        self._begin = begin
        self._threads = threads
        self._recovered = recovered
        self._clock = clock
        self._queue = Queue()
        self._came: dict[int, None] = {}  # Published alerts to handle, in order.
        # The database may have open alerts that are not in the queue.
        self._is_behind = True
        self._woken = asyncio.Event()
        self._is_stopping = False

    @property
    def is_busy(self) -> bool:
        """Whether an alert still has to be handled or a turn is due."""
        return bool(self._came) or self._queue.delay(self._clock()) == 0.0

    def wants(self, topic: str) -> bool:
        return False

    def publish(self, batch: Sequence[Published]) -> None:
        for published in batch:
            if published.type == "ALERT":
                self._alert(published.body)
            elif published.type == "CHAT_ANALYSIS":
                self._analysis(published.body["analysis"])

    def _alert(self, alert: Mapping[str, Any]) -> None:
        alert_id = int(alert["id"])
        if alert["resolvedAt"] is not None:
            self._came.pop(alert_id, None)
            self._queue.drop(alert_id)
        elif alert["kind"] in KINDS and alert["task"]:
            if len(self._came) < MOST_WAITING:
                self._came[alert_id] = None
            else:
                self._is_behind = True
            self._woken.set()

    def _analysis(self, analysis: Mapping[str, Any]) -> None:
        if analysis["verdict"] in (FixVerdict.HELPED, FixVerdict.NOT_HELPED):
            has_helped = analysis["verdict"] == FixVerdict.HELPED
            self._queue.judged(int(analysis["alert"]), analysis["task"], self._clock(), has_helped=has_helped)
            self._woken.set()

    async def run(self) -> None:
        await self._recovered.wait()
        while not self._is_stopping:
            try:
                await self._look()
                delay = self._queue.delay(self._clock())
            except DatabaseError as exc:
                logger.warning("could not read open alerts: %s; retrying in %g s", exc, _STORE_SECONDS)
                self._is_behind = True
                delay = _STORE_SECONDS
            await wait_at_most(self._woken, delay)
            self._woken.clear()

    def request_stop(self) -> None:
        self._is_stopping = True
        self._woken.set()
        self._recovered.set()

    async def _look(self) -> None:
        if self._is_behind and not self._queue.is_full:
            await self._catch_up()
        while self._came and not self._is_stopping:
            alert_id = next(iter(self._came))
            del self._came[alert_id]
            await self._add(alert_id)
        while not self._is_stopping and (batch := self._queue.next(self._clock())) is not None:
            await self._start(batch)

    async def _catch_up(self) -> None:
        """Queues open alerts that have no turn, oldest first."""
        self._is_behind = False
        found = await self._threads.read(_unanalysed)
        for alert_id in found:
            self._came.setdefault(alert_id)

    async def _add(self, alert_id: int) -> None:
        if alert_id in self._queue:
            return
        if self._queue.is_full:
            self._is_behind = True
            return
        stuck = await self._threads.read(lambda: _stuck(alert_id))
        if stuck is not None:
            self._queue.add(stuck, self._clock())

    async def _start(self, batch: Batch) -> None:
        first = batch.first
        others = [stuck.task_id for stuck in batch.others]
        try:
            await self._begin(first.context, opening(first.alert_id, first.task_id, first.kind), first.alert_id, others)
        except (AgentFlowError, DatabaseError) as exc:
            logger.warning(
                "alert %s: could not start a turn: %s; retrying in %g s", first.alert_id, exc, _RETRY_SECONDS
            )
            self._queue.retry(first, self._clock(), after_seconds=_RETRY_SECONDS)


def _unanalysed() -> list[int]:
    seen = Analysis.objects.values("alert_id")
    running = Turn.objects.filter(state__in=OPEN_TURNS, alert_id__isnull=False).values("alert_id")
    alerts = Alert.objects.filter(resolved_at=None, kind__in=KINDS).exclude(task_id="")
    rows = alerts.exclude(id__in=seen).exclude(id__in=running).order_by("id")
    return list(rows.values_list("id", flat=True)[:MOST_WAITING])


def _stuck(alert_id: int) -> Stuck | None:
    """None if the alert is resolved or already has a turn."""
    alert = Alert.objects.filter(id=alert_id, resolved_at=None).first()
    if alert is None or Analysis.objects.filter(alert_id=alert_id).exists():
        return None
    if Turn.objects.filter(alert_id=alert_id, state__in=OPEN_TURNS).exists():
        return None
    task = Task.objects.filter(id=alert.task_id).first()
    if task is None:
        return None
    tail = tail_of(pieces_of(alert.evidence))
    return Stuck(
        alert_id=alert_id,
        task_id=task.id,
        kind=alert.kind,
        context=Context(project=task.project or ANY, node=alert.node_id or ANY),
        fingerprint=fingerprint(project=task.project, name=task.name, kind=alert.kind, tail=tail),
    )
