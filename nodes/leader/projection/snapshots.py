"""Applies a node's snapshot: attempts in it are true at its position; missing ones are lost after the replay."""

from __future__ import annotations

from nodes.domain.events import JournalMark, Snapshot, TaskStatus
from nodes.domain.ids import is_task_id
from nodes.domain.phrases import phrase
from nodes.domain.states import CommandState, Lane, TaskState
from nodes.leader.projection.commands import START, forget_lost
from nodes.leader.projection.refusal import BAD_VALUE, EntryRefused
from nodes.leader.projection.state_cache import AttemptKey, AwaitedReplay
from nodes.leader.projection.tasks import end_attempt, set_status
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.models import Attempt

AwaitedReplays = dict[str, AwaitedReplay]  # by node id

_LOST = (phrase("came-back-without"),)


def apply_snapshot(unit: UnitOfWork, node_id: str, snapshot: Snapshot, awaited: AwaitedReplays) -> None:
    """Sets the current state of every attempt in the snapshot; remembers the missing ones."""
    position = _states_position(snapshot, node_id)
    held: set[AttemptKey] = set()
    for status in snapshot.tasks:
        number = status.attempt or 1
        held.add((status.task_id, number))
        _apply_held(unit, node_id, status, number, position)
    missing = {key for key in unit.cache.occupying[node_id] if key not in held}
    awaited[node_id] = AwaitedReplay(position.journal_id, position.seq, missing)
    settle_lost(unit, node_id, awaited)


def _states_position(snapshot: Snapshot, node_id: str) -> JournalMark:
    for mark in snapshot.positions:
        if mark.lane is Lane.STATES and mark.node_id in ("", node_id):
            return mark
    raise EntryRefused(BAD_VALUE, "a snapshot without the position of its states journal")


def _apply_held(unit: UnitOfWork, node_id: str, status: TaskStatus, number: int, position: JournalMark) -> None:
    if not is_task_id(status.task_id):
        return  # Its entries are refused one by one, each with a Nack.
    attempt = unit.cache.attempt(status.task_id, number)
    if attempt is not None:
        if attempt.node_id not in (None, node_id):
            return  # Now another node's; this node's entries about it become dead letters.
        if attempt.journal_id == position.journal_id and attempt.state_seq > position.seq:
            return  # A newer entry has already arrived.
    if attempt is None or _differs(attempt, status) or attempt.journal_id != position.journal_id:
        set_status(unit, node_id, status, number, journal_id=position.journal_id, seq=position.seq)
    elif attempt.state_seq < position.seq:
        unit.change_attempt(attempt, state_seq=position.seq)


def _differs(attempt: Attempt, status: TaskStatus) -> bool:
    return (attempt.state, attempt.pid, attempt.paused_seconds, attempt.message) != (
        status.state,
        status.pid,
        status.paused_seconds,
        status.message,
    )


def settle_lost(unit: UnitOfWork, node_id: str, awaited: AwaitedReplays) -> None:
    """Called after a snapshot and when the node's mark moves; acts once the replay has reached the snapshot."""
    waiting = awaited.get(node_id)
    if waiting is None:
        return
    journal = unit.cache.journals.get(waiting.journal_id)
    if waiting.seq and (journal is None or journal.seq < waiting.seq):
        return
    for task_id, number in waiting.attempts:
        attempt = unit.cache.attempts.get((task_id, number))
        if attempt is None or attempt.node_id != node_id or _may_still_start(unit, task_id, waiting.journal_id):
            continue
        if attempt.state_seq > waiting.seq and attempt.journal_id == waiting.journal_id:
            continue  # Started after the snapshot was taken.
        if not TaskState(attempt.state).is_final and attempt.state != TaskState.PENDING:
            end_attempt(unit, attempt, TaskState.LOST, parts=_LOST)
            forget_lost(unit, attempt)

    def forget() -> None:
        if awaited.get(node_id) is waiting:
            del awaited[node_id]

    # Only after the commit: after a rollback it must run again, which is harmless.
    unit.after_commit.append(forget)


def _may_still_start(unit: UnitOfWork, task_id: str, journal_id: str) -> bool:
    """Whether an open start command will still create the attempt, or report why not.

    False for a command confirmed in another journal than the current one: the node was reset and does not know it.
    """
    return any(
        command.state != CommandState.ACKED or command.journal_id in ("", journal_id)
        for command in unit.cache.open_commands_of(task_id, START)
    )
