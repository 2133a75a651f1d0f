"""Messages about tasks, their attempts and commands."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

from nodes.core.secrets import REDACTED, hide, hide_in_argv, hide_in_command, is_secret_name
from nodes.domain.phrases import Phrases, phrases_of
from nodes.domain.states import Action, CommandState, TaskHealth, TaskState, is_unknown
from nodes.leader.projection.message_base import (
    FeedNumber,
    Message,
    Moment,
    NodeStateWord,
    Positioned,
    milliseconds,
    one_of,
)
from nodes.leader.projection.private import is_free
from nodes.models import Attempt, Command, Node, Task

TaskStateWord = Annotated[str, one_of("TaskState", TaskState)]
TaskHealthWord = Annotated[str, one_of("TaskHealth", TaskHealth)]
CommandKind = Annotated[str, one_of("CommandKind", ("start", *Action))]
CommandStateWord = Annotated[str, one_of("CommandState", CommandState)]

_COMMAND_SHOWN_CHARACTERS = 500


class TaskInfo(TypedDict):
    """A task and its latest attempt."""

    id: str
    name: str
    project: str
    node: str
    # The requested node; empty = any.
    targetNode: str
    state: TaskStateWord
    health: TaskHealthWord
    attempt: int
    # 0 to 1.
    progress: Annotated[float, Meta(ge=0, le=1)] | None
    message: str
    # Negative = ended by this signal.
    exitCode: int | None
    # Why it is not assigned yet.
    pendingReason: str
    phrases: Phrases
    # A person's own command, or a request that the Leader does not have: input and retry need the right to run
    # commands, and only REST answers say what it runs, to those who have it.
    isCommand: bool
    # Its standard input is open.
    acceptsInput: bool
    # Some of its processes still run although it is paused.
    partialPause: bool
    # Lines of output that were dropped because they came too fast.
    suppressedLines: int
    # Secrets that were replaced in its output.
    redacted: int
    # Lines of output that were replaced as a whole, because the search for secrets would have taken too long.
    withheldLines: int
    createdBy: str
    createdAt: int
    startedAt: int | None
    endedAt: int | None
    nodeState: NodeStateWord | None
    # Since when its node is unreachable while the task should be running.
    unknownSince: int | None
    version: FeedNumber


class TaskUpdate(Positioned, Moment):
    """A task changed."""

    type: Literal["TASK_UPDATE"]
    task: TaskInfo


class CommandInfo(TypedDict):
    """A request to a node, and what has become of it."""

    id: str
    kind: CommandKind
    task: str
    attempt: int
    node: str
    state: CommandStateWord
    # Why it failed, for programs.
    code: str
    message: str
    phrases: Phrases
    # As the client that sent it chose it.
    ref: str
    # Who sent it.
    actor: str
    createdAt: int
    # When it entered this state.
    changedAt: int


class CommandMessage(Positioned):
    """A command entered a new state."""

    type: Literal["COMMAND"]
    at: int
    command: CommandInfo


def task_info(task: Task, *, node: Node | None) -> TaskInfo:
    """`node` is the row of `task.node_id`, if there is one."""
    unknown_since = node.state_changed_at if node is not None and is_unknown(task.state, node.state) else None
    return {
        "id": task.id,
        "name": task.name,
        "project": task.project,
        "node": task.node_id or "",
        "targetNode": task.target_node,
        "state": task.state,
        "health": task.health,
        "attempt": task.attempt,
        "progress": task.progress,
        "message": task.message,
        "exitCode": task.exit_code,
        "pendingReason": task.pending_reason,
        "phrases": phrases_of(message=task.message_parts, pendingReason=task.pending_parts),
        "isCommand": is_free(task.spec),
        "acceptsInput": task.accepts_input,
        "partialPause": task.partial_pause,
        "suppressedLines": task.suppressed_lines,
        "redacted": task.redacted,
        "withheldLines": task.withheld_lines,
        "createdBy": task.created_by,
        "createdAt": milliseconds(task.created_at),
        "startedAt": milliseconds(task.started_at),
        "endedAt": milliseconds(task.ended_at),
        "nodeState": node.state if node is not None else None,
        "unknownSince": milliseconds(unknown_since),
        "version": str(task.version),
    }


def attempt_info(attempt: Attempt, task: Task, *, sees_commands: bool) -> Message:
    """One attempt, as the work log shows it. `sees_commands`: the reader may run commands."""
    is_command = is_free(task.spec)
    return {
        "task": task.id,
        "attempt": attempt.number,
        "name": task.name,
        "project": task.project,
        "isCommand": is_command,
        "resolved": resolved_info(attempt) if sees_commands or not is_command else None,
        "createdBy": task.created_by,
        "node": attempt.node_id or "",
        "state": attempt.state,
        "message": attempt.message,
        "phrases": phrases_of(message=attempt.message_parts),
        "exitCode": attempt.exit_code,
        "createdAt": milliseconds(attempt.created_at),
        "startedAt": milliseconds(attempt.started_at),
        "endedAt": milliseconds(attempt.ended_at),
        "cpuSeconds": attempt.cpu_seconds,
        "peakMemoryBytes": attempt.peak_memory_bytes,
        "pausedSeconds": attempt.paused_seconds,
        "suppressedLines": attempt.suppressed_lines,
        "redacted": attempt.redacted,
        "withheldLines": attempt.withheld_lines,
        "lines": attempt.last_line,
        "isLogPruned": attempt.is_log_pruned,
        "pid": attempt.pid,
    }


def command_info(command: Command) -> CommandInfo:
    return {
        "id": command.id,
        "kind": command.kind,
        "task": command.task_id or "",
        "attempt": command.attempt,
        "node": command.node,
        "state": command.state,
        "code": command.code,
        "message": command.message,
        "phrases": phrases_of(message=command.message_parts),
        "ref": command.ref,
        "actor": command.actor,
        "createdAt": milliseconds(command.created_at),
        "changedAt": milliseconds(command.changed_at),
    }


def without_secrets(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A task's request for display, with secrets redacted in command and environment."""
    environment = spec.get("environment") or {}
    shown = dict(spec)
    if environment:
        shown["environment"] = {
            name: REDACTED if is_secret_name(name) else hide(value, environment) for name, value in environment.items()
        }
    if spec.get("argv"):
        shown["argv"] = hide_in_argv(spec["argv"], environment)
    if spec.get("shell_line"):
        shown["shell_line"] = hide_in_command(spec["shell_line"], environment)
    return shown


def resolved_info(attempt: Attempt) -> Message | None:
    """What the attempt's node ran; None if it has not said so."""
    kept = attempt.resolved
    if kept is None:
        return None
    shown = without_secrets({"argv": kept["argv"], "environment": kept["environment"]})
    return {
        "command": shlex.join(shown["argv"]),
        "argv": shown["argv"],
        "workingDirectory": kept["working_directory"],
        "environment": shown.get("environment", {}),
        "definition": kept["definition"],
    }


def command_line(spec: Mapping[str, Any]) -> str:
    """The command as one line, for display."""
    spec = without_secrets(spec)
    shown = spec.get("shell_line") or shlex.join(spec.get("argv") or ()) or spec.get("named_task") or ""
    return shown if len(shown) <= _COMMAND_SHOWN_CHARACTERS else shown[: _COMMAND_SHOWN_CHARACTERS - 1] + "…"
