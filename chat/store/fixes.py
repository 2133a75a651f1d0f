"""Tracks a suggested fix from the click to its effect, through the only call of the click's turn."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from chat.errors import ChatRejected
from chat.messages import analysis_info
from chat.models import Analysis, ToolCall, Turn
from chat.phrases import with_phrase
from chat.stalls.stall_context import action_of
from chat.states import CallState, FixState, FixVerdict, TurnState
from chat.store.rows import change, publish
from nodes.domain.states import TaskState, is_possible
from nodes.errors import NotFound
from nodes.leader.projection.unit_of_work import UnitOfWork

# How long a fix is watched. Below the minimum, the detector may not have enough samples.
MOST_WATCHED = timedelta(seconds=120)
LEAST_WATCHED = timedelta(seconds=15)

_AFTER_CALL = {
    CallState.DONE: FixState.DONE,
    CallState.UNKNOWN: FixState.DONE,  # It may have had an effect, so it is not repeated.
    CallState.FAILED: FixState.FAILED,
    CallState.DENIED: FixState.REFUSED,
}


def analysis_of(turn_id: str) -> Analysis:
    """Raises `NotFound`."""
    found = Analysis.objects.filter(turn=turn_id).select_related("turn__conversation").first()
    if found is None:
        raise NotFound(f"There is no analysis in turn {turn_id}.")
    return found


def fix_of(analysis: Analysis, number: int) -> dict[str, Any]:
    """Raises `NotFound`."""
    found: dict[str, Any] | None = next((fix for fix in analysis.fixes if fix["number"] == number), None)
    if found is None:
        raise NotFound(f"The analysis has no fix {number}.")
    return found


def check_askable(unit: UnitOfWork, analysis: Analysis, number: int) -> None:
    """Raises `ChatRejected` if the fix is no longer possible, so that no one is asked to approve it."""
    fix = fix_of(analysis, number)
    state = FixState(fix["state"])
    if state is FixState.ASKED:
        raise ChatRejected("asked", "Someone has already requested this.")
    if not state.may_be_asked:
        raise ChatRejected("done", "This was already done.")
    task = unit.cache.task(analysis.task_id)
    if task is None or TaskState(task.state).is_final:
        raise ChatRejected("stale", "The task has ended.")
    alert = unit.open_alert_of(analysis.alert_id)
    if alert is None or analysis.alert_digest not in ("", alert.digest):
        raise ChatRejected("stale", "The task is no longer stuck there.")
    if not is_possible(action_of(fix["tool"]), TaskState(task.state), accepts_input=task.accepts_input):
        raise ChatRejected("stale", "The task's current state does not allow this.")


def clicked(unit: UnitOfWork, analysis: Analysis, number: int, turn_id: str) -> None:
    _set(unit, analysis, number, state=FixState.ASKED, turn=turn_id)


def follow(unit: UnitOfWork, turn: Turn) -> None:
    """Call it after each change of a call and at the end of a turn; ignores turns without a fix."""
    if turn.fix_of_id is None:
        return
    analysis = Analysis.objects.select_related("turn__conversation").get(id=turn.fix_of_id)
    fix = fix_of(analysis, turn.fix_number)
    state = _state_of(turn)
    if fix["turn"] != turn.id or fix["state"] == state:
        return  # Clicked again since, or unchanged.
    _set(unit, analysis, turn.fix_number, state=state)
    if state is FixState.DONE:
        watch(unit, analysis, turn.fix_number)


def watch(unit: UnitOfWork, analysis: Analysis, number: int) -> None:
    """Starts watching whether the fix helps."""
    task = unit.cache.task(analysis.task_id)
    own = timedelta(seconds=float(task.spec.get("stall_after_seconds") or 0)) if task is not None else timedelta(0)
    seconds = max(LEAST_WATCHED, min(own or MOST_WATCHED, MOST_WATCHED))
    values: dict[str, Any] = {
        "verdict": FixVerdict.WATCHING,
        "verdict_fix": number,
        "verdict_text": "",
        "verdict_at": None,
    }
    values["phrases"] = with_phrase(analysis.phrases, "verdictText", "")
    change(unit, analysis, **values, watched_from=unit.now, watched_until=unit.now + seconds)
    publish_analysis(unit, analysis)


def alert_of(turn: Turn) -> int | None:
    """The alert of this turn's fix. Once it is resolved, the fix no longer applies."""
    if turn.fix_of_id is None:
        return None
    return Analysis.objects.values_list("alert_id", flat=True).get(id=turn.fix_of_id)


def publish_analysis(unit: UnitOfWork, analysis: Analysis) -> None:
    turn = analysis.turn
    publish(unit, "CHAT_ANALYSIS", turn.conversation_id, turn=turn.id, analysis=analysis_info(analysis))


def _set(unit: UnitOfWork, analysis: Analysis, number: int, **values: str) -> None:
    fixes = [{**fix, **values} if fix["number"] == number else fix for fix in analysis.fixes]
    change(unit, analysis, fixes=fixes)
    publish_analysis(unit, analysis)


def _state_of(turn: Turn) -> FixState:
    call = ToolCall.objects.filter(turn=turn).values_list("state", flat=True).first()
    if call is not None:
        return _AFTER_CALL.get(CallState(call), FixState.ASKED)
    return FixState.ASKED if TurnState(turn.state).is_open else FixState.OPEN
