"""The result of a stall's turn, and the turns that clicks on its proposals start."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from chat.contexts import ANY, Context
from chat.errors import ChatRejected
from chat.models import Analysis, Turn
from chat.phrases import Phrase, phrase, with_phrase
from chat.phrases import say as words
from chat.states import OPEN_TURNS, FixVerdict, Trigger, TurnState
from chat.store.conversations import open_conversation
from chat.store.fixes import analysis_of, check_askable, clicked, fix_of, publish_analysis
from chat.store.messages import add_said
from chat.store.rows import change, turn_of
from chat.store.turns import end_turn, say_phrase
from nodes.leader.projection.unit_of_work import UnitOfWork


def begin_stall(
    unit: UnitOfWork, context: Context, said: Phrase, *, alert_id: int, others: Sequence[str], language: str
) -> str:
    """The id of the turn about this alert: an unfinished one if there is one, else a new one.

    The turn's language, for a model's input and answer, is that of the newest person's message in the conversation,
    else in any conversation, else `language`.
    """
    running = Turn.objects.filter(alert_id=alert_id, trigger=Trigger.STALL, state__in=OPEN_TURNS).first()
    if running is not None:
        return running.id
    try:
        conversation_id = open_conversation(unit, context, actor="")
    except ChatRejected:
        # The node does not (or no longer) report the task's project.
        conversation_id = open_conversation(unit, Context(project=ANY, node=context.node), actor="")
    spoken = Turn.objects.filter(trigger=Trigger.PERSON).order_by("-created_at").values_list("language", flat=True)
    language = spoken.filter(conversation=conversation_id).first() or spoken.first() or language
    about = {"trigger": Trigger.STALL, "alert_id": alert_id, "other_tasks": list(others)}
    return say_phrase(unit, conversation_id, said, actor="", language=language, **about)


def keep_analysis(unit: UnitOfWork, turn_id: str, said: Phrase, **fields: Any) -> Analysis:
    """Stores the analysis as a row and its text as the turn's answer. The caller ends the turn."""
    turn = turn_of(turn_id)
    analysis = Analysis(id=secrets.token_hex(8), turn=turn, created_at=unit.now, **fields)
    unit.insert(analysis)
    add_said(unit, turn, said)
    publish_analysis(unit, analysis)
    return analysis


def close_watch(unit: UnitOfWork, analysis: Analysis, *, verdict: FixVerdict, said: Phrase) -> None:
    """Stores whether the fix helped. This is final unless another fix is carried out."""
    phrases = with_phrase(analysis.phrases, "verdictText", said)
    text = words(said, analysis.turn.language)
    change(unit, analysis, verdict=verdict, verdict_text=text, verdict_at=unit.now, phrases=phrases)
    publish_analysis(unit, analysis)


def end_resolved(unit: UnitOfWork, turn_id: str) -> None:
    """The alert was resolved before it was analysed: nothing is said, and nothing is sent to a model."""
    turn = turn_of(turn_id)
    if not TurnState(turn.state).is_open:
        return  # Stopped in the meantime.
    end_turn(unit, turn, TurnState.STOPPED, problem="resolved", message=phrase("problem.resolved"))


def ask_fix(unit: UnitOfWork, turn_id: str, number: int, *, actor: str) -> Turn:
    """A turn in this user's name with exactly this proposal. Of two clicks the second one is refused."""
    analysis = analysis_of(turn_id)
    check_askable(unit, analysis, number)
    language = analysis.turn.language
    said = phrase("turn.fix", task=analysis.task_id, number=number)
    conversation_id = analysis.turn.conversation_id
    new_id = say_phrase(unit, conversation_id, said, actor=actor, language=language, fix_of=analysis, fix_number=number)
    clicked(unit, analysis, number, new_id)
    return turn_of(new_id)


def given_call(turn: Turn) -> tuple[str, Mapping[str, Any]] | None:
    """The one call of a turn that a click started."""
    if turn.fix_of is None:
        return None
    fix = fix_of(turn.fix_of, turn.fix_number)
    return fix["tool"], fix["arguments"]
