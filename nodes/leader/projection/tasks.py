"""Applies the states of tasks and attempts that nodes report.

An attempt remembers the journal position that set its state. An entry at or below it only adds history, so a replay
never moves a state backwards (docs/protocol.md, "Opening").
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from nodes.core.secrets import hide
from nodes.domain.commands import (
    MAX_ARGUMENTS,
    MAX_PATH,
    ResolvedCommand,
    TaskSpec,
    default_name,
    is_free_command,
    spec_to_json,
)
from nodes.domain.events import StallAlert, TaskStatus
from nodes.domain.ids import TASK_ID_RULE, is_task_id
from nodes.domain.incoming import MAX_ID
from nodes.domain.names import normal_name
from nodes.domain.phrases import Phrase, english, phrase
from nodes.domain.states import TASK_TRANSITIONS, TaskHealth, TaskState
from nodes.domain.storable import storable
from nodes.leader.projection.private import public_message
from nodes.leader.projection.refusal import BAD_VALUE, FOREIGN_NODE, ILLEGAL_TRANSITION, EntryRefused
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.models import Attempt, Task

_NAME_CHARACTERS = 200
_MESSAGE_CHARACTERS = 4_000
_EVIDENCE_CHARACTERS = 64_000
_MAX_PARTS = 6
_MAX_VALUES = 6
_KEY_CHARACTERS = 40
_VALUE_CHARACTERS = 1_000
_WORD_CHARACTERS = 8_192
_MAX_VARIABLES = 300


def stored_text(text: str, limit: int = _MESSAGE_CHARACTERS) -> str:
    """Text that every database accepts: no NUL, bounded."""
    return text.replace("\x00", "")[:limit]


def _stored_spec(spec: TaskSpec) -> dict[str, Any]:
    """Empty when no database can hold it as it is: a task that is changed must not be retried."""
    values = spec_to_json(spec)
    return values if storable(values) == values else {}


def stored_parts(parts: Sequence[Phrase]) -> list[Phrase] | None:
    """A node's message as data, bounded. Keys that this Leader does not know are kept: readers then use the text."""
    return [
        Phrase(
            key=stored_text(one["key"], _KEY_CHARACTERS),
            values={
                stored_text(name, _KEY_CHARACTERS): stored_text(str(value), _VALUE_CHARACTERS)
                for name, value in list(one["values"].items())[:_MAX_VALUES]
            },
        )
        for one in parts[:_MAX_PARTS]
    ] or None


def stored_command(resolved: ResolvedCommand) -> dict[str, Any]:
    """A node's resolved command, bounded."""
    variables = list(resolved.environment.items())[:_MAX_VARIABLES]
    return {
        "argv": [stored_text(word, _WORD_CHARACTERS) for word in resolved.argv[:MAX_ARGUMENTS]],
        "working_directory": stored_text(resolved.working_directory, MAX_PATH),
        "environment": {
            stored_text(name, _VALUE_CHARACTERS): stored_text(value, _WORD_CHARACTERS) for name, value in variables
        },
        "definition": stored_text(resolved.definition, MAX_ID),
    }


def apply_status(
    unit: UnitOfWork,
    node_id: str,
    status: TaskStatus,
    *,
    journal_id: str = "",
    seq: int = 0,
    is_latest_attempt: bool = False,
) -> None:
    """Applies one entry of a states journal, or (without a position) the update of a client that has no journal.

    `is_latest_attempt`: the sender does not number attempts and means the latest. Raises `EntryRefused` before any
    change.
    """
    number = _attempt_number(unit, status, is_latest_attempt=is_latest_attempt)
    attempt = _checked_attempt(unit, node_id, status, number)
    if attempt is not None and seq and attempt.journal_id == journal_id and seq <= attempt.state_seq:
        return
    if attempt is not None and status.state != attempt.state and not _may_move(attempt, status.state):
        move = f"{attempt.state} and cannot become {status.state}"
        raise EntryRefused(ILLEGAL_TRANSITION, f"task {status.task_id} attempt {number} is {move}")
    set_status(unit, node_id, status, number, journal_id=journal_id, seq=seq)


def _attempt_number(unit: UnitOfWork, status: TaskStatus, *, is_latest_attempt: bool) -> int:
    if not is_task_id(status.task_id):
        raise EntryRefused(BAD_VALUE, f"{status.task_id[:64]!r} is not a valid task id: {TASK_ID_RULE}")
    if is_latest_attempt:
        task = unit.cache.task(status.task_id)
        return 1 if task is None else task.attempt
    return status.attempt or 1


def _checked_attempt(unit: UnitOfWork, node_id: str, status: TaskStatus, number: int) -> Attempt | None:
    attempt = unit.cache.attempt(status.task_id, number)
    if attempt is not None and attempt.node_id not in (None, node_id):
        raise EntryRefused(FOREIGN_NODE, f"task {status.task_id} attempt {number} runs on {attempt.node_id}")
    return attempt


def _may_move(attempt: Attempt, state: TaskState) -> bool:
    # So far only its output is known: accept any state from its node.
    is_placeholder = attempt.state == TaskState.LOST and not attempt.state_seq
    return is_placeholder or state in TASK_TRANSITIONS[TaskState(attempt.state)]


def set_status(unit: UnitOfWork, node_id: str, status: TaskStatus, number: int, *, journal_id: str, seq: int) -> None:
    """Sets the attempt's state without checks; the caller guarantees that it is right."""
    task, attempt = _find_or_create(unit, node_id, status, number)
    message, parts = public_message(task.spec, status.message, status.message_parts)
    resolved = status.request.resolved if status.request is not None else None
    started_at, ended_at = _moment(status.started_at_ms), _moment(status.ended_at_ms)
    if started_at is None and status.state.is_live:
        started_at = attempt.started_at or unit.now
    if ended_at is None and status.state.is_final:
        ended_at = attempt.ended_at or unit.now
    unit.change_attempt(
        attempt,
        node_id=node_id,
        state=status.state,
        message=stored_text(message),
        message_parts=stored_parts(parts),
        resolved=stored_command(resolved) if resolved is not None else attempt.resolved,
        exit_code=status.exit_code,
        journal_id=journal_id or attempt.journal_id,
        state_seq=seq or attempt.state_seq,
        started_at=started_at or attempt.started_at,
        ended_at=ended_at,
        started_ms=status.started_at_ms or attempt.started_ms,
        ended_ms=status.ended_at_ms,
        cpu_seconds=status.cpu_seconds,
        peak_memory_bytes=status.peak_memory_bytes,
        paused_seconds=status.paused_seconds,
        suppressed_lines=status.suppressed_lines,
        redacted=status.redacted,
        withheld_lines=status.withheld_lines,
        pid=status.pid,
    )
    if attempt.number == task.attempt:
        progress = task.progress if status.progress is None else status.progress
        mirror(
            unit,
            task,
            attempt,
            progress=progress,
            accepts_input=status.accepts_input and status.state.is_live,
            partial_pause=status.partial_pause and status.state is TaskState.PAUSED,
        )


def apply_progress(unit: UnitOfWork, node_id: str, status: TaskStatus) -> None:
    """Applies an unjournaled status between two journaled ones: only its progress, never its state."""
    attempt = unit.cache.attempts.get((status.task_id, status.attempt or 1))
    task = unit.cache.tasks.get(status.task_id)
    if attempt is None or task is None or attempt.node_id != node_id or attempt.state != status.state:
        return  # Ephemeral, so it can be ignored: the next journaled status has the state.
    if attempt.number == task.attempt and status.state.is_live:
        progress = task.progress if status.progress is None else status.progress
        unit.change_task(
            task,
            progress=progress,
            message=stored_text(status.message),
            message_parts=stored_parts(status.message_parts),
            suppressed_lines=max(task.suppressed_lines, status.suppressed_lines),
            redacted=max(task.redacted, status.redacted),
            withheld_lines=max(task.withheld_lines, status.withheld_lines),
            accepts_input=status.accepts_input,
        )
        unit.publish_task(task)


def mirror(unit: UnitOfWork, task: Task, attempt: Attempt, **more: Any) -> None:
    """Copies the latest attempt's state to the task, and publishes it."""
    is_final = TaskState(attempt.state).is_final
    unit.change_task(
        task,
        state=attempt.state,
        node_id=attempt.node_id,
        message=attempt.message,
        message_parts=attempt.message_parts,
        exit_code=attempt.exit_code,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        suppressed_lines=attempt.suppressed_lines,
        redacted=attempt.redacted,
        withheld_lines=attempt.withheld_lines,
        **({} if attempt.state == TaskState.PENDING else {"pending_reason": "", "pending_parts": None}),
        **({"health": TaskHealth.HEALTHY} if is_final else {}),
        **more,
    )
    unit.publish_task(task)
    if is_final:
        unit.resolve_task_alerts(task)


def end_attempt(
    unit: UnitOfWork, attempt: Attempt, state: TaskState, *, parts: Sequence[Phrase] = (), message: str = ""
) -> None:
    """Ends an attempt on the Leader's own decision: it never started, or its node reconnected without it.

    Use `message` for a reason that exists only as text.
    """
    said = message or english(parts)
    unit.change_attempt(attempt, state=state, message=said, message_parts=list(parts) or None, ended_at=unit.now)
    task = unit.cache.task(attempt.task_id)
    if task is not None and task.attempt == attempt.number:
        mirror(unit, task, attempt, accepts_input=False, partial_pause=False)


def placeholder(unit: UnitOfWork, node_id: str, task_id: str, number: int, why: Phrase) -> Attempt:
    """An attempt whose state has not arrived; the states journal may still deliver it. `why`: what there is of it."""
    said = (why,)
    status = TaskStatus(
        task_id=task_id, state=TaskState.LOST, attempt=number, message=english(said), message_parts=said
    )
    attempt = _checked_attempt(unit, node_id, status, _attempt_number(unit, status, is_latest_attempt=False))
    if attempt is None:
        set_status(unit, node_id, status, number, journal_id="", seq=0)
        attempt = unit.cache.attempts[task_id, number]
    return attempt


def _find_or_create(unit: UnitOfWork, node_id: str, status: TaskStatus, number: int) -> tuple[Task, Attempt]:
    task = unit.cache.task(status.task_id)
    spec = status.request.spec if status.request is not None else None
    # An agent of an earlier version names a free command by its command line.
    own = default_name(spec, status.task_id) if spec is not None and is_free_command(spec) else status.name
    name = stored_text(normal_name(own) or (spec.name if spec else "") or status.task_id, _NAME_CHARACTERS)
    project = stored_text(status.project or (spec.project if spec else ""), _NAME_CHARACTERS)
    started_at = _moment(status.started_at_ms) or unit.now
    if task is None:
        task = Task(
            id=status.task_id,
            name=name,
            project=project,
            node_id=node_id,
            spec=_stored_spec(spec) if spec else {},
            attempt=number,
            state=status.state,
            created_at=started_at,
        )
        unit.insert(task)
        unit.cache.remember_task(task)
    else:
        if task.name == task.id:  # Its output, or an alert, came first.
            created_at = min(task.created_at, started_at)
            unit.change_task(task, name=name, project=task.project or project, created_at=created_at)
        if spec is not None and not task.spec:
            unit.change_task(task, spec=_stored_spec(spec))
    attempt = unit.cache.attempt(status.task_id, number)
    if attempt is None:
        # Pending until the following change, which counts its slot.
        attempt = Attempt(task=task, number=number, node_id=node_id, created_at=unit.now)
        unit.insert(attempt)
        unit.cache.attempts[task.id, number] = attempt
        if number > task.attempt:
            unit.change_task(task, attempt=number)
    return task, attempt


def _moment(origin_ms: int) -> datetime | None:
    """A time on the origin's clock, for display; `None` if it is missing or out of range."""
    if origin_ms <= 0:
        return None
    try:
        return datetime.fromtimestamp(origin_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


_HEALTH_ALERTS = {
    TaskHealth.WAITING: ("waiting", "warning"),
    TaskHealth.STALLED: ("stalled", "error"),
}


def apply_stall(unit: UnitOfWork, node_id: str, alert: StallAlert) -> None:
    """Applies a verdict about a task's health. Quiet is only shown; waiting and stalled also open an alert."""
    task = unit.cache.task(alert.task_id)
    if task is None:  # Its states were lost on the way; the snapshot has the current one.
        placeholder(unit, node_id, alert.task_id, 1, phrase("only-alert"))
        return
    if task.node_id != node_id:
        raise EntryRefused(FOREIGN_NODE, f"task {task.id} runs on {task.node_id}")
    if not TaskState(task.state).is_live:
        return  # A replayed verdict about an attempt that has ended meanwhile: only history.
    reason, reason_parts = public_message(task.spec, alert.reason, alert.reason_parts)
    for health, (kind, level) in _HEALTH_ALERTS.items():
        if health is alert.verdict:
            unit.open_alert(
                kind,
                level=level,
                message=stored_text(reason),
                parts=reason_parts,
                node_id=node_id,
                task=task,
                evidence=[
                    {
                        "id": stored_text(e.id, 64),
                        "kind": stored_text(e.kind, 64),
                        # A client that is not our agent sends it as it is.
                        "text": stored_text(hide(e.text[:_EVIDENCE_CHARACTERS], {}), _EVIDENCE_CHARACTERS),
                    }
                    for e in alert.evidence
                ],
            )
        else:
            unit.resolve_alert(kind, node_id=node_id, task_id=task.id)
    if task.health != alert.verdict:
        unit.change_task(task, health=alert.verdict)
        unit.publish_task(task)
