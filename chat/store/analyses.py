"""Analyses of stuck tasks, and the turns that clicks on their fixes start."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from chat.contexts import ANY, Context
from chat.errors import ChatRejected
from chat.models import Analysis, Turn
from chat.phrases import Phrase, phrase, render, with_phrase
from chat.states import OPEN_TURNS, FixVerdict, Trigger, TurnState
from chat.store.conversations import open_conversation
from chat.store.fixes import analysis_of, check_askable, clicked, fix_of, publish_analysis
from chat.store.rows import change, turn_of
from chat.store.turns import end_stall_turn, end_turn, queue_phrase
from nodes.leader.projection.unit_of_work import UnitOfWork


def begin_stall(
    unit: UnitOfWork, context: Context, text_phrase: Phrase, *, alert_id: int, others: Sequence[str], language: str
) -> str:
    """Returns the id of the turn about this alert: the unfinished one, else a new one.

    The turn's language, for the model's input and answer, is that of the newest message from a person in the
    conversation, else in any conversation, else `language`.
    """
    running = Turn.objects.filter(alert_id=alert_id, trigger=Trigger.STALL, state__in=OPEN_TURNS).first()
    if running is not None:
        return running.id
    try:
        conversation_id = open_conversation(unit, context, actor="")
    except ChatRejected:
        # The node does not report the task's project (any longer).
        conversation_id = open_conversation(unit, Context(project=ANY, node=context.node), actor="")
    spoken = Turn.objects.filter(trigger=Trigger.PERSON).order_by("-created_at").values_list("language", flat=True)
    language = spoken.filter(conversation=conversation_id).first() or spoken.first() or language
    about = {"trigger": Trigger.STALL, "alert_id": alert_id, "other_tasks": list(others)}
    return queue_phrase(unit, conversation_id, text_phrase, actor="", language=language, **about)


def keep_analysis(unit: UnitOfWork, turn_id: str, fleet: str, text_phrase: Phrase, **fields: Any) -> Analysis:
    """Stores the analysis, and its text as the turn's answer. The caller ends the turn."""
    turn = turn_of(turn_id)
    analysis = Analysis(id=secrets.token_hex(8), turn=turn, created_at=unit.now, **fields)
    unit.insert(analysis)
    end_stall_turn(unit, turn, fleet, text_phrase)
    publish_analysis(unit, analysis)
    return analysis


def close_watch(unit: UnitOfWork, analysis: Analysis, *, verdict: FixVerdict, text_phrase: Phrase) -> None:
    """Stores whether the fix helped. Final unless another fix is executed."""
    phrases = with_phrase(analysis.phrases, "verdictText", text_phrase)
    text = render(text_phrase, analysis.turn.language)
    change(unit, analysis, verdict=verdict, verdict_text=text, verdict_at=unit.now, phrases=phrases)
    publish_analysis(unit, analysis)


def end_resolved(unit: UnitOfWork, turn_id: str) -> None:
    """Ends the turn without an answer: the alert was resolved before the analysis."""
    turn = turn_of(turn_id)
    if not TurnState(turn.state).is_open:
        return  # Stopped in the meantime.
    end_turn(unit, turn, TurnState.STOPPED, problem="resolved", message=phrase("problem.resolved"))


def ask_fix(unit: UnitOfWork, turn_id: str, number: int, *, actor: str) -> Turn:
    """Queues a turn in this user's name for exactly this fix. A second click is refused."""
    analysis = analysis_of(turn_id)
    check_askable(unit, analysis, number)
    language = analysis.turn.language
    text_phrase = phrase("turn.fix", task=analysis.task_id, number=number)
    conversation_id = analysis.turn.conversation_id
    new_id = queue_phrase(
        unit, conversation_id, text_phrase, actor=actor, language=language, fix_of=analysis, fix_number=number
    )
    clicked(unit, analysis, number, new_id)
    return turn_of(new_id)


def given_call(turn: Turn) -> tuple[str, Mapping[str, Any]] | None:
    """The one call of a turn that a click started."""
    if turn.fix_of is None:
        return None
    fix = fix_of(turn.fix_of, turn.fix_number)
    return fix["tool"], fix["arguments"]
