"""Stores people's requests: a new task, a pause, a cancel, a retry. Each is one transaction of the projection."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from nodes.domain.commands import (
    SHELL,
    ControlTask,
    Seen,
    StartTask,
    TaskSpec,
    check_input,
    check_spec,
    default_name,
    is_free_command,
    spec_to_json,
    stored_spec,
    with_normal_names,
)
from nodes.domain.commands import Command as WireCommand
from nodes.domain.phrases import english, phrase
from nodes.domain.states import Action, CommandState, TaskHealth, TaskState
from nodes.errors import NotFound, TaskRejected
from nodes.leader.projection.commands import START
from nodes.leader.projection.tasks import end_attempt, mirror
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.leader.scheduler.definitions import check_known, check_unchanged
from nodes.models import Attempt, Command, Task
from nodes.stream.wire.codec import encode_command

# Time to start, counted on the node's clock from receipt; a command that has not started by then never does.
START_TTL = timedelta(seconds=60)
CONTROL_TTL = timedelta(seconds=60)
FORBIDDEN = "forbidden"
_UNASSIGNED = phrase("unassigned")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequest:
    task_id: str
    action: Action
    actor: str
    ref: str = ""
    input: bytes = b""
    close_input: bool = False
    reason: str = ""
    command_id: str = ""  # Chosen by the caller, so that repeating the request acts once; empty = a new one.
    may_run_commands: bool = False  # The person has this right, which a free command needs (`check_right`).
    definition: str = ""  # For a retry: see `check_unchanged`.
    seen: Seen | UnsetType = UNSET


def create_task(unit: UnitOfWork, spec: TaskSpec, *, actor: str, task_id: str = "") -> Task:
    """Creates a pending task. Raises `TaskRejected` if it could never run as requested.

    `task_id`: chosen by the caller, so that repeating the request creates one task.
    """
    if task_id and (known := unit.cache.task(task_id)) is not None:
        return known
    spec = with_normal_names(spec)
    check_spec(spec)
    check_known(unit, spec)
    task_id = task_id or secrets.token_hex(8)
    task = Task(
        id=task_id,
        name=default_name(spec, task_id),
        project=spec.project,
        target_node=spec.node,
        spec=spec_to_json(spec),
        created_by=actor[:150],
        created_at=unit.now,
        pending_reason=english([_UNASSIGNED]),
        pending_parts=[_UNASSIGNED],
    )
    unit.insert(task)
    unit.cache.remember_task(task)
    _new_attempt(unit, task)
    unit.publish_task(task)
    unit.wakes_scheduler = True
    return task


def _new_attempt(unit: UnitOfWork, task: Task) -> Attempt:
    attempt = Attempt(task=task, number=task.attempt, created_at=unit.now)
    unit.insert(attempt)
    unit.cache.remember_attempt(attempt)
    return attempt


# --- control --------------------------------------------------------------------------------------


def control_task(unit: UnitOfWork, request: ControlRequest) -> Command:
    """The command's row: being sent to the node, or already settled. Raises `NotFound`, `TaskRejected`.

    Every request for a task ends here, so the person's right to type into it is checked here.
    """
    if request.command_id and (known := unit.cache.command(request.command_id)) is not None:
        return known
    task = unit.cache.task(request.task_id)
    attempt = unit.cache.attempt(request.task_id, task.attempt) if task is not None else None
    if task is None or attempt is None:
        raise NotFound(f"There is no task {request.task_id}.")
    check_right(task, request)
    check_input(request.input)
    _check_seen(attempt, request.seen)
    state = TaskState(task.state)
    if request.action is Action.RETRY:
        return _retry(unit, task, request)
    if state.is_final:
        raise TaskRejected("finished", f"The task has ended ({state}); it can only be retried.")
    if request.action is Action.CANCEL and state is TaskState.PENDING:
        command = _settled_here(unit, task, request)
        parts = [] if request.reason else [phrase("cancelled-before-start")]
        end_attempt(unit, attempt, TaskState.CANCELLED, parts=parts, message=request.reason)
        return command
    _check_action(task, state, request.action)
    return _to_node(unit, attempt, request)


def check_right(task: Task, request: ControlRequest) -> None:
    """Input and retry of a free command need the right to run commands: both make its program do something new."""
    is_new = request.action in (Action.INPUT, Action.RETRY)
    if is_new and not request.may_run_commands and is_free_command(stored_spec(task.spec)):
        why = phrase("command-needs-right")
        raise TaskRejected(FORBIDDEN, english([why]), [why])


def _check_seen(attempt: Attempt, seen: Seen | UnsetType) -> None:
    """Refuses a click on something that has changed since the person saw it."""
    if isinstance(seen, UnsetType):
        return
    if seen.attempt != attempt.number:
        raise TaskRejected("stale", f"The task has a new attempt, #{attempt.number}.")
    if seen.node is not UNSET and seen.node != (attempt.node_id or ""):
        raise TaskRejected("stale", f"The task is on {attempt.node_id or 'no node'} now.")
    if seen.line is not UNSET and seen.line < attempt.last_line:
        raise TaskRejected("stale", "The task has printed more since.")


def _check_action(task: Task, state: TaskState, action: Action) -> None:
    if action is Action.CANCEL:
        return
    if not state.is_live:
        raise TaskRejected("not-running", f"The task is not running yet ({state}).")
    if action is Action.PAUSE and state is TaskState.PAUSED:
        raise TaskRejected("already-paused", "The task is already paused.")
    if action is Action.RESUME and state is TaskState.RUNNING:
        raise TaskRejected("not-paused", "The task is not paused.")
    if action is Action.INPUT and not task.accepts_input:
        raise TaskRejected("no-input", "The task's standard input is closed.")


def _retry(unit: UnitOfWork, task: Task, request: ControlRequest) -> Command:
    if not TaskState(task.state).is_final:
        raise TaskRejected("not-finished", f"The task has not ended ({task.state}); cancel it first.")
    if not task.spec:
        raise TaskRejected("no-request", "The Leader does not have this task's request, so it cannot be retried.")
    spec = stored_spec(task.spec)
    check_known(unit, spec)
    check_unchanged(unit, task.id, spec, accepted=request.definition)
    unit.change_task(task, attempt=task.attempt + 1)
    attempt = _new_attempt(unit, task)
    command = _settled_here(unit, task, request)
    mirror(
        unit,
        task,
        attempt,
        progress=None,
        health=TaskHealth.HEALTHY,
        pending_reason=english([_UNASSIGNED]),
        pending_parts=[_UNASSIGNED],
        accepts_input=False,
        partial_pause=False,
    )
    unit.wakes_scheduler = True
    return command


def _settled_here(unit: UnitOfWork, task: Task, request: ControlRequest) -> Command:
    """A command that is not sent to a node; it still gets a row, for the history and for its caller."""
    command = _new_command(
        unit, request.action, task.id, task.attempt, node="", ttl=timedelta(0), id=request.command_id
    )
    command.state = CommandState.SUCCEEDED
    command.ref, command.actor = request.ref[:64], request.actor[:150]
    unit.insert(command)
    unit.publish_command(command)
    return command


def _to_node(unit: UnitOfWork, attempt: Attempt, request: ControlRequest) -> Command:
    if attempt.node_id is None:
        raise AssertionError("a dispatched attempt has a node")
    command = _new_command(
        unit,
        request.action,
        attempt.task_id,
        attempt.number,
        node=attempt.node_id,
        ttl=CONTROL_TTL,
        id=request.command_id,
    )
    command.ref, command.actor = request.ref[:64], request.actor[:150]
    body = ControlTask(
        task_id=attempt.task_id,
        action=request.action,
        reason=request.reason[:500],
        input=request.input,
        close_input=request.close_input,
    )
    return _store(unit, command, body)


def start_attempt(unit: UnitOfWork, task: Task, attempt: Attempt, node_id: str) -> Command:
    """Dispatches the attempt; returns the command, which is sent after the commit."""
    command = _new_command(unit, START, task.id, attempt.number, node=node_id, ttl=START_TTL)
    command.actor = task.created_by
    unit.change_attempt(attempt, node_id=node_id, state=TaskState.DISPATCHED)
    mirror(unit, task, attempt)
    # Also a request without a name of its own has one on the wire: a base client shows it.
    spec = replace(stored_spec(task.spec), name=task.name)
    if unit.cache.nodes[node_id].is_base_client and spec.shell_line:
        spec = replace(spec, argv=(SHELL, "-c", spec.shell_line), shell_line="")  # It knows only words.
    return _store(unit, command, StartTask(task_id=task.id, attempt=attempt.number, spec=spec))


def _new_command(
    unit: UnitOfWork, kind: str, task_id: str, attempt: int, *, node: str, ttl: timedelta, id: str = ""
) -> Command:
    return Command(
        id=id or secrets.token_hex(16),
        kind=kind,
        task_id=task_id,
        attempt=attempt,
        node=node,
        created_at=unit.now,
        expires_at=unit.now + ttl,
        changed_at=unit.now,
    )


def _store(unit: UnitOfWork, command: Command, body: StartTask | ControlTask) -> Command:
    behind_master = unit.cache.stream_of(command.node) != command.node
    wire = WireCommand(command_id=command.id, body=body, target_node_id=command.node if behind_master else "")
    command.body = encode_command(wire).SerializeToString()
    # Sent right after the commit if there is a stream; otherwise when there is one (see `Upstream.ready`).
    command.state = CommandState.SENT if unit.cache.is_reachable(command.node) else CommandState.PENDING
    unit.cache.deadlines[command.id] = unit.mono + (command.expires_at - command.created_at).total_seconds()
    unit.insert(command)
    unit.cache.commands[command.id] = command
    unit.publish_command(command)
    return command
