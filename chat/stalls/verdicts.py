"""Did a fix help? The detector's word about the task decides, never an engine's. Pure: the time is passed in.

It helped when the task's alert is resolved and nothing of the kind follows for a moment, or when the task ends well.
It did not when the same trouble is back, the task fails, or nothing has changed when the watch ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chat.states import FixVerdict
from nodes.domain.states import Action, TaskState

# A prompt that only repeats itself is told within about eight seconds: two samples, and four seconds of waiting.
SETTLES_AFTER = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is true now of a task to which a fix was applied."""

    action: Action
    state: TaskState | None  # None = nobody knows the task any more.
    resolved_at: datetime | None  # Of the alert that the fix was for; None = it is open.
    later: tuple[str, ...]  # Fingerprints of what the task was stuck in since.
    fingerprint: str
    until: datetime  # When the watch ends.


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    verdict: FixVerdict
    how: str = ""  # "ended", "stopped", "goes-on", "next", "failed", "again", "still"
    again_at: datetime | None = None  # While it is watched: when it is judged anew, if nothing happens before.


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
