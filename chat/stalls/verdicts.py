"""Decides whether a fix helped, from what the detector reports, never from an engine. Pure: the time is passed in.

It helped if the task's alert is resolved and no new one follows within a moment, or if the task succeeds. It did not if
the same trouble returns, the task fails, or nothing has changed when the watch ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chat.states import FixVerdict
from nodes.domain.states import Action, TaskState

# The detector needs about eight seconds for a repeated prompt: two samples, and four seconds of waiting.
SETTLES_AFTER = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The present facts about a task to which a fix was applied."""

    action: Action
    state: TaskState | None  # None = the task no longer exists.
    resolved_at: datetime | None  # Of the alert that the fix was for; None = it is open.
    later: tuple[str, ...]  # Fingerprints of later alerts of the task.
    fingerprint: str
    until: datetime  # End of the watch.


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    verdict: FixVerdict
    how: str = ""  # "ended", "stopped", "goes-on", "next", "failed", "again", "still"
    again_at: datetime | None = None  # While watching: when to judge again if nothing happens before.


def judge(seen: Seen, now: datetime) -> Judged:
    if seen.state is None or seen.state.is_final:
        return _ended(seen)
    if seen.fingerprint in seen.later:
        return Judged(verdict=FixVerdict.NOT_HELPED, how="again")
    if seen.later:
        return Judged(verdict=FixVerdict.HELPED, how="next")
    if seen.resolved_at is None:
        if now >= seen.until:
            return Judged(verdict=FixVerdict.NOT_HELPED, how="still")
        return Judged(verdict=FixVerdict.WATCHING, again_at=seen.until)
    settled_at = min(seen.resolved_at + SETTLES_AFTER, seen.until)
    if now >= settled_at:
        return Judged(verdict=FixVerdict.HELPED, how="goes-on")
    return Judged(verdict=FixVerdict.WATCHING, again_at=settled_at)


def _ended(seen: Seen) -> Judged:
    if seen.state is TaskState.SUCCEEDED:
        return Judged(verdict=FixVerdict.HELPED, how="ended")
    if seen.state is TaskState.CANCELLED and seen.action is Action.CANCEL:
        return Judged(verdict=FixVerdict.HELPED, how="stopped")
    return Judged(verdict=FixVerdict.NOT_HELPED, how="failed")
