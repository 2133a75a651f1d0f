"""Outcomes of commands: results from nodes, states from base clients, and expiry."""

from __future__ import annotations

from nodes.domain.events import CommandResult
from nodes.domain.phrases import english, phrase
from nodes.domain.states import COMMAND_TRANSITIONS, Action, CommandState, TaskState
from nodes.leader.projection.private import is_free
from nodes.leader.projection.refusal import FOREIGN_NODE, EntryRefused
from nodes.leader.projection.state_cache import OPEN_COMMANDS
from nodes.leader.projection.tasks import end_attempt, mirror, stored_text
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.models import Attempt, Command
from nodes.stream.wire.v1 import node_sync_pb2 as pb

START = "start"
BUSY = "busy"
# How long a node that reported "busy" gets no new task.
_REST_SECONDS = 2.0

# Base clients send no results: these task states prove that they carried out the command.
_PROOFS: dict[str, frozenset[TaskState]] = {
    START: frozenset(TaskState) - {TaskState.PENDING, TaskState.DISPATCHED},
    Action.PAUSE: frozenset({TaskState.PAUSED}),
    Action.RESUME: frozenset({TaskState.RUNNING}),
    Action.CANCEL: frozenset({TaskState.CANCELLED}),
    # It goes on, or has come to its end with what it read.
    Action.INPUT: frozenset({TaskState.RUNNING, TaskState.SUCCEEDED}),
}


def apply_result(unit: UnitOfWork, node_id: str, result: CommandResult, journal_id: str) -> None:
    """Applies a node's result from one of its journals. A result that arrives too late is only kept in the history."""
    command = unit.cache.command(result.command_id)
    if command is None:
        return  # From an earlier database: nothing here waits for it.
    if command.node != node_id:
        raise EntryRefused(FOREIGN_NODE, f"command {command.id} was for {command.node}")
    if settle(unit, command, result.state, code=result.code, message=result.message):
        unit.change_command(command, journal_id=journal_id)


def settle(unit: UnitOfWork, command: Command, state: CommandState, *, code: str = "", message: str = "") -> bool:
    """Moves the command to `state`, with all consequences; False if that transition is not allowed."""
    if state not in COMMAND_TRANSITIONS[CommandState(command.state)]:
        return False
    said = stored_text(message)
    attempt = unit.cache.attempt(command.task_id or "", command.attempt) if command.kind == START else None
    parts = None
    if attempt is not None and said and (attempt.message == said or _is_told(unit, attempt)):
        # A refused start ends its attempt with the same message, which the node also sent as data.
        said, parts = attempt.message, attempt.message_parts
    unit.change_command(command, state=state, code=stored_text(code, 40), message=said, message_parts=parts)
    unit.publish_command(command)
    if command.kind == START:
        _settle_start(unit, command, state)
    return True


def _is_told(unit: UnitOfWork, attempt: Attempt) -> bool:
    """Whether the end of a free command says the same, without the command."""
    task = unit.cache.task(attempt.task_id)
    return task is not None and TaskState(attempt.state).is_final and is_free(task.spec)


def _settle_start(unit: UnitOfWork, command: Command, state: CommandState) -> None:
    attempt = unit.cache.attempt(command.task_id or "", command.attempt)
    if attempt is None or attempt.state != TaskState.DISPATCHED or attempt.node_id != command.node:
        return  # It is running, or has ended: its own states decide.
    if state is CommandState.EXPIRED or (state is CommandState.FAILED and command.code == BUSY):
        # It will never run there, so it may run elsewhere.
        if command.code == BUSY:
            unit.cache.resting[command.node] = unit.mono + _REST_SECONDS
        why = (phrase("had-no-slot" if command.code == BUSY else "out-of-reach", node=command.node),)
        cancels = unit.cache.open_commands_of(attempt.task_id, Action.CANCEL)
        if cancels:  # A cancel is open, so it must not start elsewhere.
            end_attempt(unit, attempt, TaskState.CANCELLED, parts=[phrase("cancelled-before-start")])
            for cancel in cancels:
                settle(unit, cancel, CommandState.SUCCEEDED)
            return
        unit.change_attempt(attempt, state=TaskState.PENDING, node_id=None)
        task = unit.cache.task(attempt.task_id)
        if task is not None and task.attempt == attempt.number:
            mirror(unit, task, attempt, pending_reason=english(why), pending_parts=list(why))
        unit.wakes_scheduler = True
    elif state is CommandState.FAILED:
        end_attempt(unit, attempt, TaskState.FAILED, message=command.message)


def complete_base_commands(unit: UnitOfWork, node_id: str, task_id: str, state: TaskState) -> None:
    """Settles open commands by the new state of a base client's task."""
    for command in unit.cache.open_commands_of(task_id):
        if command.node != node_id:
            continue
        if command.kind == Action.INPUT and command.id in unit.cache.undelivered and not state.is_final:
            continue  # A client says "running" all the time; before it has the input, that proves nothing.
        if state in _PROOFS.get(command.kind, ()):
            settle(unit, command, CommandState.SUCCEEDED)
        elif state.is_final:
            settle(unit, command, CommandState.FAILED, code="finished", message=f"The task has ended: {state}.")


def expire(unit: UnitOfWork, command: Command, *, was_sent: bool) -> None:
    """The command's time to start is over. If the node has already stored it, the node decides."""
    node = unit.cache.nodes.get(command.node)
    is_base = node is not None and node.is_base_client
    if command.state not in OPEN_COMMANDS or (command.state == CommandState.ACKED and not is_base):
        return
    if was_sent:
        settle(unit, command, CommandState.UNKNOWN, code="no-answer", message=f"{command.node} did not answer in time.")
    else:
        settle(
            unit, command, CommandState.EXPIRED, code="expired", message=f"{command.node} could not be reached in time."
        )


def forget_lost(unit: UnitOfWork, attempt: Attempt) -> None:
    """The node reconnected without the task, so the outcome of commands it had accepted stays unknown."""
    for command in unit.cache.open_commands_of(attempt.task_id):
        if command.state == CommandState.ACKED and command.attempt == attempt.number:
            message = f"{command.node} reconnected without the task; it is unknown whether the command took effect."
            settle(unit, command, CommandState.UNKNOWN, code="lost", message=message)


def commands_for_stream(unit: UnitOfWork, stream_id: str, *, epoch: int) -> list[pb.LeaderCommand]:
    """Open commands for the nodes behind this stream, with their remaining time. A repeat has no second effect."""
    open_commands = [
        command
        for command in unit.cache.commands.values()
        if command.state in (CommandState.PENDING, CommandState.SENT)
        and unit.seconds_left(command) > 0
        and unit.cache.stream_of(command.node) == stream_id
    ]
    open_commands.sort(key=lambda command: (command.created_at, command.id))
    for command in open_commands:
        settle(unit, command, CommandState.SENT)
        unit.cache.undelivered.discard(command.id)
    return [wire_command(unit, command, epoch=epoch) for command in open_commands]


def wire_command(unit: UnitOfWork, command: Command, *, epoch: int) -> pb.LeaderCommand:
    """The command as a wire message, with its remaining time."""
    message = pb.LeaderCommand.FromString(bytes(command.body))
    message.command_id = command.id
    message.epoch = epoch
    message.ttl_seconds = max(0.001, unit.seconds_left(command))
    return message
