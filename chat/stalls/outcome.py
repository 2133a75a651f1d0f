"""A verdict as one transaction: stored, told, said in the conversation, and remembered for the next time."""

from __future__ import annotations

import logging
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _

from chat import store
from chat.errors import MemoryRefused
from chat.memory.files import Author
from chat.models import Analysis, Turn
from chat.stalls.case import Fix, action_of
from chat.stalls.memory import remember, scope_for
from chat.stalls.verdicts import Judged
from chat.states import FixVerdict
from chat.untrusted import plain
from nodes.projection.unit import Unit
from nodes.state_words import TASK_STATES, in_a_sentence

logger = logging.getLogger(__name__)


def give_verdict(unit: Unit, *, analysis_id: str, judged: Judged) -> None:
    """Nothing when it has been given, or the analysis is gone."""
    analysis = Analysis.objects.select_related("turn__conversation").filter(id=analysis_id).first()
    if analysis is None or analysis.verdict != FixVerdict.WATCHING:
        return
    fix = store.fix_of(analysis, analysis.verdict_fix)
    task = unit.image.task(analysis.task_id)
    with translation.override(analysis.turn.language):
        state = in_a_sentence(TASK_STATES, task.state) if task is not None else "–"
        text = _words(judged.how) % {"fix": fix["label"], "state": state}
    store.close_watch(unit, analysis, verdict=judged.verdict, text=text)
    clicked = Turn.objects.select_related("conversation").filter(id=fix["turn"]).first()
    if clicked is not None:
        store.add_message(unit, clicked, "assistant", [{"type": "text", "text": plain(text)}], is_sent=False)
    _remember(unit, analysis, fix, project=task.project if task is not None else "", judged=judged)


def _remember(unit: Unit, analysis: Analysis, fix: dict[str, Any], *, project: str, judged: Judged) -> None:
    author = Author(
        engine=analysis.engine,
        conversation_id=analysis.turn.conversation_id,
        turn_id=fix["turn"],
        why=f"What became of a fix for alert {analysis.alert_id}.",
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
        # The verdict stands; a full memory is for people to tidy, on its page.
        logger.warning("what became of a fix is not remembered: %s", exc)


def _words(how: str) -> str:
    words = {
        "ended": _("%(fix)s: that helped, the task has ended well."),
        "stopped": _("%(fix)s: done, the task has ended."),
        "goes-on": _("%(fix)s: that helped, the task goes on."),
        "next": _("%(fix)s: that helped, the task went on and now needs something else."),
        "failed": _("%(fix)s: that did not help, the task is %(state)s."),
        "again": _("%(fix)s: that did not help, the task is stuck in the same way again."),
        "still": _("%(fix)s: that did not help, the task is stuck as before."),
    }
    return words[how]
