"""Runs turns: in each conversation one of people and one automatic turn at a time, a few overall. Stops turns, and
settles those of a crash. An automatic turn never waits for a person.

A service on the Leader's loop, with exactly one instance. New requests and the next expiry wake it. As a listener it
closes a waiting approval as soon as its target changes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from django.db import Error as DatabaseError
from django.utils import translation
from django.utils.translation import gettext as _

from chat import recovery, store
from chat.engines.choice import Engines
from chat.models import Approval, Turn
from chat.phrases import phrase
from chat.ports import Publish, Writes
from chat.stalls.turn import StallRun
from chat.states import ApprovalState, Trigger, TurnState
from chat.tool_executor import ToolExecutor, current_version, targets_of
from chat.turns import TurnRun
from nodes.database_threads import DatabaseThreads
from nodes.errors import StoreError
from nodes.leader.projection.published import Published
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.waits import wait_at_most

logger = logging.getLogger(__name__)

MAX_RUNNING = 8  # Turns of people; and as many automatic ones, so that neither wait for the other.
_RETRY_SECONDS = 2.0

_Lane = tuple[str, bool]  # A conversation's id, and whether its turn is automatic.


class Runner:
    name = "chat"

    def __init__(
        self, *, writes: Writes, executor: ToolExecutor, engines: Engines, threads: DatabaseThreads, publish: Publish
    ) -> None:
        self._writes = writes
        self._executor = executor
        self._engines = engines
        self._threads = threads
        self._publish = publish
        self._woken = asyncio.Event()
        # Set once the turns of an earlier process are settled.
        self.recovered = asyncio.Event()
        self._is_stopping = False
        # One turn of people and one automatic turn at a time in each conversation.
        self._running: dict[_Lane, tuple[TurnRun | StallRun, asyncio.Task[None], str]] = {}
        self._stopping: set[str] = set()  # Turns that are being stopped: they must not start.
        # Targets of waiting approvals, as `Published.key`; None while they are being read.
        self._targets: frozenset[str] | None = frozenset()
        self._pending_keys: set[str] = set()  # Keys that arrive in the meantime.

    async def run(self) -> None:
        try:
            await self._engines.start()
            await self._writes.write(recovery.settle_interrupted)
            self.recovered.set()
            async with asyncio.TaskGroup() as tasks:
                self._woken.set()
                while not self._is_stopping:
                    await self._round(tasks)
                for _run, task, _turn in self._running.values():
                    task.cancel()
        finally:
            await self._engines.aclose()
            self._threads.close()

    def request_stop(self) -> None:
        self._is_stopping = True
        self._woken.set()

    def wake(self) -> None:
        """Call it after storing a new message or answer."""
        self._woken.set()

    def wants(self, topic: str) -> bool:
        return False

    def publish(self, batch: Sequence[Published]) -> None:
        if self._targets is None:
            self._pending_keys.update(published.key for published in batch if published.kind == "state")
        elif self._targets and any(p.key in self._targets for p in batch if p.kind == "state"):
            self._woken.set()

    async def stop_turn(self, turn_id: str) -> None:
        """Stops the turn and waits for it; no effect on a turn that has ended."""
        self._stopping.add(turn_id)
        try:
            partial = ""
            for run, task, running_id in list(self._running.values()):
                if running_id == turn_id:
                    partial = run.partial_text
                    task.cancel()
                    await asyncio.wait([task])
            await self._write_stop(turn_id, partial)
        finally:
            self._stopping.discard(turn_id)
            self._woken.set()

    async def _write_stop(self, turn_id: str, partial: str) -> None:
        def stop(unit: UnitOfWork) -> None:
            with translation.override(store.turn_of(turn_id).language):
                note = _("stopped here")
            store.stop_turn(unit, turn_id, partial, note)

        await self._writes.write(stop)

    # --- one round --------------------------------------------------------------------------------

    async def _round(self, tasks: asyncio.TaskGroup) -> None:
        self._targets = None
        targets: frozenset[str] = frozenset()
        try:
            await self._writes.write(lambda unit: store.close_approvals(unit, current_version))
            ready, delay, targets = await self._threads.read(self._ready)
        except (StoreError, DatabaseError) as exc:
            logger.warning("no turn can be started: %s; retrying in %s s", exc, _RETRY_SECONDS)
            ready, delay = [], _RETRY_SECONDS
        self._targets = targets
        if not targets.isdisjoint(self._pending_keys):
            self._woken.set()
        self._pending_keys.clear()
        for turn_id, conversation_id, trigger in ready:
            lane = (conversation_id, trigger == Trigger.STALL)
            is_free = lane not in self._running and turn_id not in self._stopping
            if is_free and sum(is_stall == lane[1] for _, is_stall in self._running) < MAX_RUNNING:
                self._start(tasks, turn_id, lane)
        await wait_at_most(self._woken, delay)
        self._woken.clear()

    def _ready(self) -> tuple[list[tuple[str, str, str]], float | None, frozenset[str]]:
        """Turns that can continue, oldest first; seconds until the next approval expires; targets of open approvals."""
        open_approvals = Approval.objects.filter(state=ApprovalState.WAITING)
        calls = [approval.call for approval in open_approvals.select_related("call__turn")]
        waiting_turns = {call.turn_id for call in calls}
        turns = Turn.objects.filter(state__in=(TurnState.QUEUED, TurnState.WAITING)).order_by("created_at", "number")
        rows = list(turns.values_list("id", "conversation", "trigger"))
        ready = [row for row in rows if row[0] not in waiting_turns]
        first = open_approvals.order_by("expires_at").values_list("expires_at", flat=True).first()
        delay = None if first is None else max(0.0, (first - datetime.now(UTC)).total_seconds()) + 0.01
        return ready, delay, frozenset().union(*map(targets_of, calls))

    def _start(self, tasks: asyncio.TaskGroup, turn_id: str, lane: _Lane) -> None:
        run = self._made(turn_id, is_stall=lane[1])
        task = tasks.create_task(self._run_one(run, turn_id, lane), name=f"chat-turn-{turn_id}")
        self._running[lane] = (run, task, turn_id)

    def _made(self, turn_id: str, *, is_stall: bool) -> TurnRun | StallRun:
        if is_stall:
            return StallRun(
                turn_id, writes=self._writes, engines=self._engines, threads=self._threads, publish=self._publish
            )
        return TurnRun(
            turn_id,
            writes=self._writes,
            executor=self._executor,
            engines=self._engines,
            threads=self._threads,
            publish=self._publish,
        )

    async def _run_one(self, run: TurnRun | StallRun, turn_id: str, lane: _Lane) -> None:
        try:
            await run.run()
        except Exception:
            logger.exception("turn %s failed; it is marked as failed and can be retried", turn_id)
            await self._write_failure(turn_id)
        finally:
            del self._running[lane]
            self._woken.set()

    async def _write_failure(self, turn_id: str) -> None:
        def fail(unit: UnitOfWork) -> None:
            turn = store.turn_of(turn_id)
            store.leave_running(unit, turn, phrase("left.turn-failed"))
            store.withdraw(unit, turn, TurnState.FAILED, phrase("refused.turn-failed"))
            store.end_turn(unit, turn, TurnState.FAILED, problem="internal", message=phrase("problem.internal"))

        try:
            await self._writes.write(fail)
        except (StoreError, DatabaseError) as exc:
            # The Leader settles it at its next start.
            logger.warning("could not mark turn %s as failed: %s", turn_id, exc)
