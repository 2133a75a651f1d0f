"""Converts commands and task requests to protobuf and back."""

from __future__ import annotations

from nodes.domain.commands import Command, ControlTask, ResolvedCommand, StartTask, TaskSpec, with_normal_names
from nodes.errors import ProtocolViolation
from nodes.stream.wire.converter import Converter
from nodes.stream.wire.fields import not_negative, required
from nodes.stream.wire.v1 import node_sync_pb2 as pb

_SPEC = Converter(TaskSpec, pb.TaskRequest, "", renamed={"node": "target_node_id"})
_RESOLVED = Converter(ResolvedCommand, pb.ResolvedCommand, "resolved")
_CONTROL = Converter(ControlTask, pb.ControlSignal, "control")


def encode_command(command: Command) -> pb.LeaderCommand:
    message = pb.LeaderCommand(command_id=command.command_id, ttl_seconds=command.ttl_seconds, epoch=command.epoch)
    body = command.body
    if isinstance(body, StartTask):
        message.task_request.CopyFrom(encode_request(body))
        message.task_request.target_node_id = command.target_node_id
    else:
        message.control.CopyFrom(_CONTROL.to_wire(body, target_node_id=command.target_node_id))
    return message


def decode_command(message: pb.LeaderCommand) -> Command:
    """Raises `ProtocolViolation` for anything but a valid task request or control signal."""
    command_id = required(message.command_id, "command_id")
    body: StartTask | ControlTask
    match message.WhichOneof("payload"):
        case "task_request":
            body = decode_request(message.task_request)
        case "control":
            body = _CONTROL.from_wire(message.control)
        case other:
            raise ProtocolViolation(f"command {command_id}: {other or 'empty'} is not for a node to carry out")
    return Command(
        command_id=command_id,
        body=body,
        target_node_id=target_of(message),
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
        case "new_token":
            return message.new_token.target_node_id
        case _:
            return ""


def encode_request(start: StartTask) -> pb.TaskRequest:
    resolved = None if start.resolved is None else _RESOLVED.to_wire(start.resolved)
    return _SPEC.to_wire(start.spec, task_id=start.task_id, attempt=start.attempt, resolved=resolved)


def decode_request(request: pb.TaskRequest) -> StartTask:
    if request.kind not in ("", "command"):
        raise ProtocolViolation(f"task_request.kind: unknown value {request.kind!r}")
    return StartTask(
        task_id=required(request.task_id, "task_request.task_id"),
        attempt=request.attempt or 1,
        spec=with_normal_names(_SPEC.from_wire(request)),
        resolved=_RESOLVED.from_wire(request.resolved) if request.HasField("resolved") else None,
    )
