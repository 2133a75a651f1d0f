"""Stores people's requests: a new task, a pause, a cancel, a retry. Each is one transaction of the projection."""

from __future__ import annotations

import posixpath
import secrets
from dataclasses import dataclass
from datetime import timedelta

from msgspec import UNSET, UnsetType

from nodes.core.secrets import hide_in_command
from nodes.domain.commands import Command as WireCommand
from nodes.domain.commands import (
    ControlTask,
    Seen,
    StartTask,
    TaskSpec,
    check_input,
    check_spec,
    spec_to_json,
    stored_spec,
)
from nodes.domain.phrases import phrase
from nodes.domain.states import Action, CommandState, Role, TaskHealth, TaskState
from nodes.errors import NotFound, TaskRejected
from nodes.leader.projection.commands import START
from nodes.leader.projection.tasks import end_attempt, mirror
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.models import Attempt, Command, Node, Task
from nodes.stream.wire.codec import encode_command

# Time to start, counted on the node's clock from receipt; a command that has not started by then never does.
START_TTL = timedelta(seconds=60)
CONTROL_TTL = timedelta(seconds=60)
_NAME_SHOWN = 60


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
    seen: Seen | UnsetType = UNSET


def create_task(unit: UnitOfWork, spec: TaskSpec, *, actor: str, task_id: str = "") -> Task:
    """Creates a pending task. Raises `TaskRejected` if it could never run as requested.

    `task_id`: chosen by the caller, so that repeating the request creates one task.
    """
    if task_id and (known := unit.cache.task(task_id)) is not None:
        return known
    check_spec(spec)
    _check_known(unit, spec)
    task = Task(
        id=task_id or secrets.token_hex(8),
        name=spec.name or _default_name(spec),
        project=spec.project,
        target_node=spec.node,
        spec=spec_to_json(spec),
        created_by=actor[:150],
        created_at=unit.now,
    )
    unit.insert(task)
    unit.cache.remember_task(task)
    _new_attempt(unit, task)
    unit.publish_task(task)
    unit.wakes_scheduler = True
    return task


def _default_name(spec: TaskSpec) -> str:
    if spec.named_task:
        return spec.named_task
    words = spec.shell_line or " ".join((posixpath.basename(spec.argv[0]) or spec.argv[0], *spec.argv[1:3]))
    line = hide_in_command(" ".join(words.split()), spec.environment)
    return line if len(line) <= _NAME_SHOWN else line[: _NAME_SHOWN - 1] + "…"


def _check_known(unit: UnitOfWork, spec: TaskSpec) -> None:
    """Refuses a task that no known node can run; a task that an offline node could run waits."""
    nodes = list(unit.cache.nodes.values())
    if spec.node:
        node = unit.cache.nodes.get(spec.node)
        if node is None:
            raise TaskRejected("no-such-node", f"There is no node {spec.node}.")
        if node.role == Role.LEADER:
            raise TaskRejected("no-such-node", f"{spec.node} is the Leader; tasks run on Masters and Edges.")
        nodes = [node]
    where = f"{spec.node} has" if spec.node else "No node has"
    negation = " no" if spec.node else " a"
    base = any(node.is_base_client for node in nodes) and bool(spec.node)
    if spec.project and not base:
        tasks = [tasks for node in nodes if (tasks := _named_tasks(node, spec.project)) is not None]
        if not tasks:
            raise TaskRejected("no-such-project", f"{where}{negation} project {spec.project}.")
        if spec.named_task and not any(spec.named_task in names for names in tasks):
            raise TaskRejected(
                "no-such-named-task", f"{where}{negation} task {spec.named_task} in project {spec.project}."
            )
    if spec.named_task and base:
        raise TaskRejected("no-such-named-task", f"{spec.node} has no named tasks.")
    if not spec.named_task and spec.node and not base and not nodes[0].capabilities.get("allowsCommands"):
        raise TaskRejected("commands-not-allowed", f"{spec.node} runs only the named tasks of its projects.")


def _named_tasks(node: Node, project: str) -> frozenset[str] | None:
    return projects_of(node).get(project)


def projects_of(node: Node) -> dict[str, frozenset[str]]:
    """Project → named tasks, as the node reported them."""
    return {
        project["name"]: frozenset(task["name"] for task in project["tasks"])
        for project in node.capabilities.get("projects", ())
    }


def _new_attempt(unit: UnitOfWork, task: Task) -> Attempt:
    attempt = Attempt(task=task, number=task.attempt, created_at=unit.now)
    unit.insert(attempt)
    unit.cache.remember_attempt(attempt)
    return attempt


# --- control --------------------------------------------------------------------------------------


def control_task(unit: UnitOfWork, request: ControlRequest) -> Command:
    """The command's row: being sent to the node, or already settled. Raises `NotFound`, `TaskRejected`."""
    if request.command_id and (known := unit.cache.command(request.command_id)) is not None:
        return known
    task = unit.cache.task(request.task_id)
    attempt = unit.cache.attempt(request.task_id, task.attempt) if task is not None else None
    if task is None or attempt is None:
        raise NotFound(f"There is no task {request.task_id}.")
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
    _check_action(unit, task, state, request.action)
    return _to_node(unit, attempt, request)


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


def _check_action(unit: UnitOfWork, task: Task, state: TaskState, action: Action) -> None:
    if action is Action.CANCEL:
        return
    if not state.is_live:
        raise TaskRejected("not-running", f"The task is not running yet ({state}).")
    if action is Action.PAUSE and state is TaskState.PAUSED:
        raise TaskRejected("already-paused", "The task is already paused.")
    if action is Action.RESUME and state is TaskState.RUNNING:
        raise TaskRejected("not-paused", "The task is not paused.")
    node = unit.cache.nodes.get(task.node_id or "")
    # A base client does not report whether it accepts input.
    if action is Action.INPUT and not task.accepts_input and not (node is not None and node.is_base_client):
        raise TaskRejected("no-input", "The task's standard input is closed.")


def _retry(unit: UnitOfWork, task: Task, request: ControlRequest) -> Command:
    if not TaskState(task.state).is_final:
        raise TaskRejected("not-finished", f"The task has not ended ({task.state}); cancel it first.")
    if not task.spec:
        raise TaskRejected("no-request", "The Leader does not have this task's request, so it cannot be retried.")
    unit.change_task(task, attempt=task.attempt + 1)
    attempt = _new_attempt(unit, task)
    command = _settled_here(unit, task, request)
    mirror(
        unit,
        task,
        attempt,
        progress=None,
        health=TaskHealth.HEALTHY,
        pending_reason="",
        pending_parts=None,
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
    body = StartTask(task_id=task.id, attempt=attempt.number, spec=stored_spec(task.spec))
    return _store(unit, command, body)


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
