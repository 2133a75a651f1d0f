"""Decides whether a fix helped, from the detector's reports alone, never from an engine. Pure: the time is passed in.

It helped if the task's alert is resolved and no new one follows shortly after, or if the task succeeds. It did not help
if the same problem returns, the task fails, or nothing has changed when the watch ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chat.states import FixVerdict
from nodes.domain.states import Action, TaskState

# The detector needs about eight seconds to report a repeated prompt: two samples, and a wait of four seconds.
SETTLES_AFTER = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The current facts about a task to which a fix was applied."""

    action: Action
    state: TaskState | None  # None = the task no longer exists.
    resolved_at: datetime | None  # When the fix's alert was resolved; None = it is open.
    later: tuple[str, ...]  # Fingerprints of the task's later alerts.
    fingerprint: str
    until: datetime  # End of the watch.


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    verdict: FixVerdict
    how: str = ""  # "ended", "stopped", "goes-on", "next", "failed", "again", "still"
    again_at: datetime | None = None  # While watching: when to judge again if nothing happens before.


def judge(observed: Observation, now: datetime) -> Judgement:
    if observed.state is None or observed.state.is_final:
        return _ended(observed)
    if observed.fingerprint in observed.later:
        return Judgement(verdict=FixVerdict.NOT_HELPED, how="again")
    if observed.later:
        return Judgement(verdict=FixVerdict.HELPED, how="next")
    if observed.resolved_at is None:
        if now >= observed.until:
            return Judgement(verdict=FixVerdict.NOT_HELPED, how="still")
        return Judgement(verdict=FixVerdict.WATCHING, again_at=observed.until)
    settled_at = min(observed.resolved_at + SETTLES_AFTER, observed.until)
    if now >= settled_at:
        return Judgement(verdict=FixVerdict.HELPED, how="goes-on")
    return Judgement(verdict=FixVerdict.WATCHING, again_at=settled_at)


def _ended(observed: Observation) -> Judgement:
    if observed.state is TaskState.SUCCEEDED:
        return Judgement(verdict=FixVerdict.HELPED, how="ended")
    if observed.state is TaskState.CANCELLED and observed.action is Action.CANCEL:
        return Judgement(verdict=FixVerdict.HELPED, how="stopped")
    return Judgement(verdict=FixVerdict.NOT_HELPED, how="failed")
