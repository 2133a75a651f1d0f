"""States of turns, tool calls and approvals, and their only transitions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Trigger(StrEnum):
    PERSON = "person"
    STALL = "stall"  # Automatic, so it may only propose.


class TurnState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"  # Waits for an approval.
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # The Leader stopped before it ended.

    @property
    def is_open(self) -> bool:
        return self in OPEN_TURNS


OPEN_TURNS = frozenset({TurnState.QUEUED, TurnState.RUNNING, TurnState.WAITING})
RETRIABLE_TURNS = frozenset({TurnState.STOPPED, TurnState.FAILED, TurnState.INTERRUPTED})


class CallState(StrEnum):
    PROPOSED = "proposed"
    WAITING = "waiting"  # Waits for an approval.
    APPROVED = "approved"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # No effect, or the tool refused.
    DENIED = "denied"  # By a person, a timeout, a changed target, or the person's next message.
    UNKNOWN = "unknown"  # It may have had an effect.

    @property
    def is_final(self) -> bool:
        return not CALL_TRANSITIONS[self]


_CALL_ENDS = frozenset({CallState.DONE, CallState.FAILED, CallState.DENIED, CallState.UNKNOWN})

CALL_TRANSITIONS: Mapping[CallState, frozenset[CallState]] = {
    CallState.PROPOSED: frozenset({CallState.WAITING, CallState.RUNNING, CallState.FAILED, CallState.DENIED}),
    CallState.WAITING: frozenset({CallState.APPROVED, CallState.DENIED}),
    CallState.APPROVED: frozenset({CallState.RUNNING, CallState.FAILED, CallState.DENIED}),
    CallState.RUNNING: _CALL_ENDS,
    CallState.DONE: frozenset(),
    CallState.FAILED: frozenset(),
    CallState.DENIED: frozenset(),
    CallState.UNKNOWN: frozenset(),
}


class ApprovalState(StrEnum):
    WAITING = "waiting"
    APPROVED = "approved"
    USED = "used"
    DENIED = "denied"
    EXPIRED = "expired"
    STALE = "stale"  # Its target changed before it was answered.
    WITHDRAWN = "withdrawn"  # The person sent another message, or stopped the turn.


class AuditKind(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    REFUSED = "refused"
    EFFECT = "effect"
    MEMORY = "memory"  # A change of a memory file.


class FixState(StrEnum):
    """State of a suggested fix, since the last click on it."""

    OPEN = "open"  # Not clicked, or the turn ended before the approval was requested.
    ASKED = "asked"  # It waits for an approval, or is running.
    DONE = "done"  # Sent; the step has the outcome, which may be unknown.
    REFUSED = "refused"  # By a person, a timeout, or a changed task.
    FAILED = "failed"  # No effect.

    @property
    def may_be_asked(self) -> bool:
        return self not in (FixState.ASKED, FixState.DONE)


class FixVerdict(StrEnum):
    """Whether an executed fix helped, according to the stall detector."""

    NONE = "none"
    WATCHING = "watching"
    HELPED = "helped"
    NOT_HELPED = "not-helped"
