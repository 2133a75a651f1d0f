"""Converts commands and task requests to protobuf and back."""

from __future__ import annotations

from nodes.domain.commands import Command, ControlTask, StartTask, TaskSpec
from nodes.errors import ProtocolViolation
from nodes.stream.wire.fields import ACTION_NUMBERS, ACTIONS, known, not_negative, required, text
from nodes.stream.wire.v1 import node_sync_pb2 as pb


def encode_command(command: Command) -> pb.LeaderCommand:
    message = pb.LeaderCommand(command_id=command.command_id, ttl_seconds=command.ttl_seconds, epoch=command.epoch)
    body = command.body
    if isinstance(body, StartTask):
        message.task_request.CopyFrom(encode_request(body))
        message.task_request.target_node_id = command.target_node_id
    else:
        message.control.CopyFrom(
            pb.ControlSignal(
                action=ACTION_NUMBERS[body.action],
                task_id=body.task_id,
                reason=text(body.reason),
                target_node_id=command.target_node_id,
                input=body.input,
                close_input=body.close_input,
            )
        )
    return message


def decode_command(message: pb.LeaderCommand) -> Command:
    """Raises `ProtocolViolation` for anything but a valid task request or control signal."""
    command_id = required(message.command_id, "command_id")
    body: StartTask | ControlTask
    match message.WhichOneof("payload"):
        case "task_request":
            target_node_id = message.task_request.target_node_id
            body = decode_request(message.task_request)
        case "control":
            signal = message.control
            target_node_id = signal.target_node_id
            body = ControlTask(
                task_id=required(signal.task_id, "control.task_id"),
                action=known(ACTIONS, signal.action, "control.action"),
                reason=signal.reason,
                input=signal.input,
                close_input=signal.close_input,
            )
        case other:
            raise ProtocolViolation(f"command {command_id}: {other or 'empty'} is not for a node to carry out")
    return Command(
        command_id=command_id,
        body=body,
        target_node_id=target_node_id,
        ttl_seconds=not_negative(message.ttl_seconds, "ttl_seconds"),
        epoch=message.epoch,
    )


def target_of(message: pb.LeaderCommand) -> str:
    """Node id that a command is for; empty = the receiver, or nothing that a node carries out."""
    match message.WhichOneof("payload"):
        case "task_request":
            return message.task_request.target_node_id
        case "control":
            return message.control.target_node_id
        case _:
            return ""


def encode_request(start: StartTask) -> pb.TaskRequest:
    spec = start.spec
    return pb.TaskRequest(
        task_id=start.task_id,
        attempt=start.attempt,
        name=text(spec.name),
        project=text(spec.project),
        argv=[text(argument) for argument in spec.argv],
        shell_line=text(spec.shell_line),
        named_task=text(spec.named_task),
        working_directory=text(spec.working_directory),
        environment={text(name): text(value) for name, value in spec.environment.items()},
        timeout_seconds=spec.timeout_seconds,
        stall_after_seconds=spec.stall_after_seconds,
        target_node_id=spec.node,
        close_input=spec.close_input,
    )


def decode_request(request: pb.TaskRequest) -> StartTask:
    if request.kind not in ("", "command"):
        raise ProtocolViolation(f"task_request.kind: unknown value {request.kind!r}")
    return StartTask(
        task_id=required(request.task_id, "task_request.task_id"),
        attempt=request.attempt or 1,
        spec=TaskSpec(
            project=request.project,
            name=request.name,
            node=request.target_node_id,
            argv=tuple(request.argv),
            shell_line=request.shell_line,
            named_task=request.named_task,
            working_directory=request.working_directory,
            environment=dict(request.environment),
            timeout_seconds=not_negative(request.timeout_seconds, "timeout_seconds"),
            stall_after_seconds=not_negative(request.stall_after_seconds, "stall_after_seconds"),
            close_input=request.close_input,
        ),
    )
