"""Stores a verdict in one transaction: published, added to the conversation, and remembered for the next time."""

from __future__ import annotations

import logging
from typing import Any

from chat import store
from chat.errors import MemoryRefused
from chat.memory.files import Author
from chat.models import Analysis, Turn
from chat.phrases import phrase
from chat.stalls.memory import remember, scope_for
from chat.stalls.stall_context import Fix, action_of
from chat.stalls.verdicts import Judgement
from chat.states import FixVerdict
from nodes.leader.projection.unit_of_work import UnitOfWork

logger = logging.getLogger(__name__)


def give_verdict(unit: UnitOfWork, *, analysis_id: str, judged: Judgement) -> None:
    """Stores the verdict. No effect if there is one already, or the analysis was deleted."""
    analysis = Analysis.objects.select_related("turn__conversation").filter(id=analysis_id).first()
    if analysis is None or analysis.verdict != FixVerdict.WATCHING:
        return
    fix = store.fix_of(analysis, analysis.verdict_fix)
    task = unit.cache.task(analysis.task_id)
    # Fixes stored by an earlier version have their label only as text.
    label = fix.get("phrases", {}).get("label") or fix["label"]
    state = phrase(f"task.{task.state}") if task is not None else "–"
    text_phrase = phrase(f"verdict.{judged.how}", fix=label, state=state)
    store.close_watch(unit, analysis, verdict=judged.verdict, text_phrase=text_phrase)
    clicked = Turn.objects.select_related("conversation").filter(id=fix["turn"]).first()
    if clicked is not None:
        store.add_own_text(unit, clicked, text_phrase, is_sent=False)
    _remember(unit, analysis, fix, project=task.project if task is not None else "", judged=judged)


def _remember(unit: UnitOfWork, analysis: Analysis, fix: dict[str, Any], *, project: str, judged: Judgement) -> None:
    author = Author(
        engine=analysis.engine,
        conversation_id=analysis.turn.conversation_id,
        turn_id=fix["turn"],
        why=phrase("why.memory", alert=str(analysis.alert_id)),
    )
    done = Fix(action=action_of(fix["tool"]), text=fix["arguments"].get("text", ""))
    try:
        remember(
            unit,
            scope_for(project, analysis.node_id),
            author,
            fingerprint=analysis.fingerprint,
            sort=analysis.sort,
            fix=done,
            has_helped=judged.verdict is FixVerdict.HELPED,
            today=unit.now.date(),
        )
    except MemoryRefused as exc:
        # Not fatal: the verdict is stored, and people can delete files on the Memory page.
        logger.warning("could not remember the outcome of a fix: %s", exc)
