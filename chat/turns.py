"""Runs one turn: the engine answers, the tool executor settles its calls, and the results go back to the engine.

Every step is stored before the next one starts, so a turn can continue from any point.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from chat import requests, store
from chat.contexts import Context, fleet_state
from chat.engines.choice import Engines
from chat.engines.given import GivenEngine
from chat.engines.protocol import Engine, Reply
from chat.errors import EngineError, HistoryRefused
from chat.models import Turn
from chat.phrases import TextOrPhrase, phrase
from chat.policy import RequestedAction
from chat.ports import Publish, Writes
from chat.states import TurnState
from chat.stream import Stream
from chat.tool_executor import ToolExecutor
from chat.understanding import requested_action_of
from nodes import selectors
from nodes.database_threads import DatabaseThreads
from nodes.leader.projection.unit_of_work import UnitOfWork

logger = logging.getLogger(__name__)

MAX_ROUNDS = 8


class TurnRun:
    """`run` returns when the turn has ended or waits for an approval. If it is cancelled, the caller ends the turn."""

    def __init__(
        self,
        turn_id: str,
        *,
        writes: Writes,
        executor: ToolExecutor,
        engines: Engines,
        threads: DatabaseThreads,
        publish: Publish,
    ) -> None:
        self._turn_id = turn_id
        self._writes = writes
        self._executor = executor
        self._engines = engines
        self._threads = threads
        self._publish = publish
        self.stream: Stream | None = None

    @property
    def partial_text(self) -> str:
        return self.stream.partial_text if self.stream is not None else ""

    async def run(self) -> None:
        try:
            await self._run()
        except EngineError as exc:
            logger.warning("turn %s failed: %s (%s: %s)", self._turn_id, exc, exc.problem, exc.detail)
            await self._end(TurnState.FAILED, problem=exc.problem, message=exc.text, detail=exc.detail)

    async def _run(self) -> None:
        turn = await self._turn()
        context = Context(project=turn.conversation.project, node=turn.conversation.node)
        self.stream = Stream(self._publish, conversation_id=turn.conversation_id, turn_id=turn.id)
        requested = await self._threads.read(lambda: requested_action_of(turn.text, context))
        if turn.state == TurnState.QUEUED:
            counts = await self._threads.read(selectors.counts)
            fleet = fleet_state(context, counts, datetime.now(UTC))
            may_run = await self._writes.write(lambda unit: store.begin_turn(unit, turn.id, fleet))
        else:
            may_run = await self._writes.write(lambda unit: store.resume_turn(unit, turn.id))
        if not may_run:
            return
        for round_number in range(MAX_ROUNDS + 1):
            if not await self._settle(requested):
                await self._wait()
                return
            if round_number == MAX_ROUNDS:
                break
            reply = await self._reply(context)
            if reply.stop_reason != "tool_use":
                problem, message = self._ending(reply)
                await self._end(TurnState.DONE, problem=problem, message=message)
                return
        raise EngineError("too-many-rounds", rounds=MAX_ROUNDS)

    async def _turn(self) -> Turn:
        return await self._threads.read(lambda: store.turn_of(self._turn_id))

    async def _settle(self, requested: RequestedAction | None) -> bool:
        turn = await self._turn()
        calls = await self._threads.read(lambda: store.open_calls(turn.conversation))
        if not calls:
            return True
        if not await self._executor.settle(turn, calls, requested):
            return False
        await self._writes.write(lambda unit: store.add_results(unit, turn.id))
        return True

    async def _wait(self) -> None:
        def wait(unit: UnitOfWork) -> None:
            turn = store.turn_of(self._turn_id)
            if turn.state == TurnState.RUNNING:
                store.change_turn(unit, turn, state=TurnState.WAITING)

        await self._writes.write(wait)

    # --- the engine -------------------------------------------------------------------------------

    async def _reply(self, context: Context) -> Reply:
        try:
            return await self._ask_engine(context)
        except HistoryRefused as exc:
            logger.warning("the history of turn %s is rejected (%s); starting a new epoch", self._turn_id, exc.problem)
            await self._writes.write(lambda unit: store.begin_epoch(unit, self._turn_id))
            return await self._ask_engine(context)

    async def _ask_engine(self, context: Context) -> Reply:
        stream = self.stream
        if stream is None:
            raise AssertionError("created before the first request")
        request = await self._threads.read(lambda: requests.build(self._turn_id, context))
        engine: Engine = GivenEngine() if request.given is not None else await self._engines.current()
        turn = await self._turn()
        stream.begin(turn.requests + 1)
        try:
            reply = await engine.reply(request, stream)
        except EngineError as exc:
            is_partial = exc.is_cost_partial
            sent = stream.sent

            def keep_failure(unit: UnitOfWork) -> None:
                self._count(unit, engine.name, None, is_partial=is_partial)
                requests.keep_sent(unit, self._turn_id, sent, {})

            await self._writes.write(keep_failure)
            raise
        finally:
            stream.end()

        def keep(unit: UnitOfWork) -> None:
            self._count(unit, engine.name, reply, is_partial=False)
            requests.keep_sent(unit, self._turn_id, stream.sent, reply.usage.fields())
            if reply.content:
                store.add_reply(unit, self._turn_id, reply)

        await self._writes.write(keep)
        await self._engines.spent(reply.cost_microusd)
        return reply

    def _count(self, unit: UnitOfWork, engine: str, reply: Reply | None, *, is_partial: bool) -> None:
        turn = store.turn_of(self._turn_id)
        usage = reply.usage.fields() if reply is not None else {}
        cost = reply.cost_microusd if reply is not None else 0
        store.add_usage(unit, turn, usage, cost_microusd=cost, is_partial=is_partial)
        model = reply.model if reply is not None else turn.model
        store.change(unit, turn, engine=engine, model=model[:100], requests=turn.requests + 1)

    @staticmethod
    def _ending(reply: Reply) -> tuple[str, TextOrPhrase]:
        """The problem and its text; both empty if the answer is complete."""
        if reply.stop_reason == "refusal":
            return "refused", phrase("problem.declined")
        if reply.stop_reason == "max_tokens":
            return "cut", phrase("problem.cut")
        return ("", "") if reply.content else ("empty", phrase("problem.empty"))

    async def _end(self, state: TurnState, *, problem: str = "", message: TextOrPhrase = "", detail: str = "") -> None:
        def end(unit: UnitOfWork) -> None:
            turn = store.turn_of(self._turn_id)
            if state is TurnState.FAILED:
                store.withdraw(unit, turn, state, phrase("refused.turn-failed"))
            store.end_turn(unit, turn, state, problem=problem, message=message, detail=detail)

        await self._writes.write(end)
