"""The turn about a stuck task: builds the context from its alert, asks a model or the rules, and stores the analysis.

It never acts. Even if the model fails, the turn ends with an analysis, made by rules.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from chat import requests, store
from chat.contexts import Context, fleet_state
from chat.engines.choice import Engines
from chat.engines.protocol import Analyst, Reply
from chat.errors import EngineError
from chat.messages import shown_text
from chat.models import Turn
from chat.phrases import TextOrPhrase, render, with_phrase
from chat.ports import Publish, Writes
from chat.stalls import rules
from chat.stalls.check import InvalidAnalysis, checked, finding_of
from chat.stalls.memory import remembered_of
from chat.stalls.question import SCHEMA, SYSTEM, question_of
from chat.stalls.stall_context import Finding, StallContext, stall_context_of
from chat.stalls.texts import fix_fields, message_of
from chat.states import TurnState
from chat.stream import Stream
from nodes import selectors
from nodes.database_threads import DatabaseThreads
from nodes.leader.projection.unit_of_work import UnitOfWork

logger = logging.getLogger(__name__)

# Including all retries. People are waiting, and the rules can answer at once.
MODEL_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    engine: str
    finding: Finding
    reply: Reply | None = None  # The model's reply, even if it is unusable: it has a cost.
    problem: str = ""  # Why the model gave no usable answer.
    message: TextOrPhrase = ""
    detail: str = ""  # The endpoint's own words.
    is_cost_partial: bool = False


class StallRun:
    """Like `chat.turns.TurnRun`: `run` returns when the turn has ended; after a cancel, the caller ends the turn."""

    partial_text = ""  # The answer arrives as a whole.

    def __init__(
        self, turn_id: str, *, writes: Writes, engines: Engines, threads: DatabaseThreads, publish: Publish
    ) -> None:
        self._turn_id = turn_id
        self._writes = writes
        self._engines = engines
        self._threads = threads
        self._publish = publish

    async def run(self) -> None:
        turn = await self._threads.read(lambda: store.turn_of(self._turn_id))
        stall = await self._threads.read(lambda: _stall_context(turn))
        if stall is None:
            await self._writes.write(lambda unit: store.end_resolved(unit, turn.id))
            return
        context = Context(project=turn.conversation.project, node=turn.conversation.node)
        counts = await self._threads.read(selectors.counts)
        fleet = fleet_state(context, counts, datetime.now(UTC))
        if not await self._writes.write(lambda unit: store.begin_stall_turn(unit, turn.id)):
            return
        stream = _RetriesOnly(Stream(self._publish, conversation_id=turn.conversation_id, turn_id=turn.id))
        answer = await self._answer(stall, stream)
        await self._writes.write(lambda unit: _keep(unit, turn.id, fleet, stall, answer, stream.sent))

    async def _answer(self, stall: StallContext, stream: _RetriesOnly) -> _Answer:
        question = question_of(stall)
        async with self._engines.analyst(len(SYSTEM) + len(question.encode())) as analyst:
            if analyst is None:
                return _by_rules(stall)
            return await self._ask(analyst, stall, question, stream)

    async def _ask(self, analyst: Analyst, stall: StallContext, question: str, stream: _RetriesOnly) -> _Answer:
        reply: Reply | None = None
        try:
            async with asyncio.timeout(MODEL_SECONDS):
                reply = await analyst.structured(SYSTEM, question, SCHEMA, stream)
                # Before the reservation is released.
                await self._engines.spent(reply.cost_microusd)
            own = rules.find(stall)
            # Remembered results always use the rules' category.
            finding = replace(checked(stall, _read(reply)), sort=own.sort)
        except EngineError as exc:
            logger.warning(
                "alert %s: the model failed (%s: %s); using the rules", stall.alert_id, exc.problem, exc.detail
            )
            return replace(
                _by_rules(stall),
                problem=exc.problem,
                message=exc.text,
                detail=exc.detail,
                is_cost_partial=exc.is_cost_partial,
            )
        except TimeoutError:
            logger.warning(
                "alert %s: no answer from the model within %g s; using the rules", stall.alert_id, MODEL_SECONDS
            )
            return replace(_by_rules(stall), problem="timeout", is_cost_partial=bool(stream.sent))
        except InvalidAnalysis as exc:
            logger.warning("alert %s: the model's analysis is invalid (%s); using the rules", stall.alert_id, exc)
            return replace(_by_rules(stall), reply=reply, problem="nonsense")
        if not finding.fixes:
            # None of its fixes is possible: offer those of the rules.
            finding = replace(finding, fixes=checked(stall, own).fixes)
        return _Answer(engine=analyst.name, finding=finding, reply=reply)


class _RetriesOnly:
    """Implements `Progress`: shows retries, but not the JSON while it streams."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @property
    def sent(self) -> bytes:
        return self._stream.sent

    def text(self, piece: str) -> None:
        pass

    def reset(self) -> None:
        pass

    def retrying(self, delay_seconds: float, reason: str) -> None:
        self._stream.retrying(delay_seconds, reason)

    def sending(self, body: bytes) -> None:
        self._stream.sending(body)


def _stall_context(turn: Turn) -> StallContext | None:
    """None if the alert is resolved or pruned."""
    alert = selectors.alert_detail(turn.alert_id) if turn.alert_id is not None else None
    if alert is None or alert["resolvedAt"] is not None:
        return None
    task = selectors.task_detail(alert["task"])
    stall = stall_context_of(alert, task, language=turn.language, others=tuple(turn.other_tasks))
    return replace(stall, remembered=remembered_of(stall))


def _by_rules(stall: StallContext) -> _Answer:
    return _Answer(engine="offline", finding=checked(stall, rules.find(stall)))


def _read(reply: Reply) -> Finding:
    """Parses the reply. Raises `InvalidAnalysis`."""
    if reply.stop_reason != "end_turn":
        raise InvalidAnalysis(f"stop reason {reply.stop_reason}")
    text = shown_text(reply.content).strip()
    # An endpoint without schema support may wrap the JSON in a code fence.
    text = text.removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        return finding_of(json.loads(text))
    except ValueError as exc:
        raise InvalidAnalysis("not JSON") from exc


def _keep(unit: UnitOfWork, turn_id: str, fleet: str, stall: StallContext, answer: _Answer, sent: bytes) -> None:
    turn, reply, finding = store.turn_of(turn_id), answer.reply, answer.finding
    if not TurnState(turn.state).is_open:
        return  # Stopped in the meantime.
    usage = reply.usage.fields() if reply is not None else {}
    cost = reply.cost_microusd if reply is not None else 0
    store.add_usage(unit, turn, usage, cost_microusd=cost, is_partial=answer.is_cost_partial)
    model = reply.model if reply is not None else ""
    store.change(unit, turn, engine=answer.engine, model=model[:100], requests=turn.requests + bool(sent))
    requests.keep_sent(unit, turn_id, sent, usage)
    fixes = [fix_fields(stall, number, fix) for number, fix in enumerate(finding.fixes, 1)]
    kinds = {piece.id: piece.kind for piece in stall.pieces}
    store.keep_analysis(
        unit,
        turn_id,
        fleet,
        message_of(stall, finding, engine=answer.engine),
        alert_id=stall.alert_id,
        alert_digest=stall.alert_digest,
        task_id=stall.task_id,
        node_id=stall.node_id,
        kind=stall.kind,
        fingerprint=stall.fingerprint,
        sort=finding.sort,
        engine=answer.engine,
        cause=render(finding.cause, stall.language),
        phrases=with_phrase({}, "cause", finding.cause),
        confidence=finding.confidence,
        evidence=[{"id": one.id, "kind": kinds[one.id], "quote": one.quote} for one in finding.evidence],
        fixes=fixes,
    )
    store.end_turn(
        unit,
        store.turn_of(turn_id),
        TurnState.DONE,
        problem=answer.problem,
        message=answer.message,
        detail=answer.detail,
    )
