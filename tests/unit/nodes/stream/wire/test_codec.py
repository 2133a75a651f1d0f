"""Domain → protobuf → domain gives the same value; invalid values are refused with the field's name."""

from __future__ import annotations

import math
from typing import get_args

import pytest

from nodes.domain.commands import Command, ControlTask, StartTask
from nodes.domain.events import (
    CommandResult,
    GpuMetrics,
    LogBatch,
    LogLine,
    Metrics,
    NodeReport,
    Payload,
    Snapshot,
    TaskStatus,
    Update,
)
from nodes.domain.states import Action, CommandState, LogLevel, LogStream, Role, TaskState
from nodes.errors import ProtocolViolation
from nodes.stream.wire import codec
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from tests.support.filled import filled

LOGS = LogBatch(
    task_id="t1",
    attempt=1,
    first_line=5,
    lines=(
        LogLine(1, LogLevel.ERROR, LogStream.STDERR, b"\xff\x00 raw", 3),
        LogLine(2, LogLevel.DEBUG, LogStream.STDOUT, b""),
    ),
)


@pytest.mark.parametrize("kind", get_args(Payload), ids=lambda kind: kind.__name__)
def test_every_field_of_an_update_survives(kind: type[Payload]) -> None:
    # A node reports no state before ACKED, so the first words of that enum are not on the wire.
    given = {"state": CommandState.EXPIRED} if kind is CommandResult else {}
    update = filled(Update, payload=filled(kind, **given))

    message = pb.NodeUpdate.FromString(codec.encode_update(update).SerializeToString())

    assert codec.decode_update(message) == update


@pytest.mark.parametrize(
    "payload",
    [
        LOGS,
        TaskStatus(task_id="t", state=TaskState.RUNNING),
        TaskStatus(task_id="t", state=TaskState.SUCCEEDED, progress=0.0, exit_code=0),
        NodeReport(role=Role.EDGE),
        Snapshot(tasks=(), positions=(), report=NodeReport(role=Role.MASTER)),
    ],
)
def test_what_is_left_out_stays_left_out(payload: Payload) -> None:
    message = pb.NodeUpdate.FromString(codec.encode_update(Update(node_id="n", payload=payload)).SerializeToString())

    assert codec.decode_update(message) == Update(node_id="n", payload=payload)


@pytest.mark.parametrize("body", [filled(StartTask), filled(ControlTask), filled(ControlTask, action=Action.INPUT)])
def test_every_field_of_a_command_survives(body: StartTask | ControlTask) -> None:
    target = body.spec.node if isinstance(body, StartTask) else "master-1"
    command = filled(Command, body=body, target_node_id=target)

    message = pb.LeaderCommand.FromString(codec.encode_command(command).SerializeToString())

    assert codec.decode_command(message) == command
    assert codec.target_of(message) == target


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (pb.NodeUpdate(node_id="n"), "payload: empty or unknown"),
        (pb.NodeUpdate(node_id="n", ping=pb.Ping()), "payload: ping"),
        (pb.NodeUpdate(metrics=pb.SystemMetrics()), "node_id: is empty"),
        (pb.NodeUpdate(node_id="n", metrics=pb.SystemMetrics(cpu_percent=math.nan)), "metrics.cpu_percent: nan"),
        (pb.NodeUpdate(node_id="n", metrics=pb.SystemMetrics(load_1m=math.inf)), "metrics.load_1m: inf"),
        (pb.NodeUpdate(node_id="n", metrics=pb.SystemMetrics(load_1m=1e19)), "metrics.load_1m: 1e\\+19 is too large"),
        (
            pb.NodeUpdate(node_id="n", task_update=pb.TaskStatusUpdate(task_id="t")),
            "task_update.state: unknown value 0",
        ),
        (
            pb.NodeUpdate(node_id="n", task_update=pb.TaskStatusUpdate(task_id="t", state=99)),  # type: ignore[arg-type]
            "unknown value 99",
        ),
        (
            pb.NodeUpdate(
                node_id="n",
                task_update=pb.TaskStatusUpdate(task_id="t", state=pb.TASK_STATE_RUNNING, progress=math.nan),
            ),
            "progress: nan",
        ),
        (pb.NodeUpdate(node_id="n", task_update=pb.TaskStatusUpdate()), "task_update.task_id: is empty"),
        (
            pb.NodeUpdate(node_id="n", metrics=pb.SystemMetrics(gpus=[pb.GpuMetrics(temperature_celsius=math.inf)])),
            "gpu.temperature_celsius: inf is not a number",
        ),
        (pb.NodeUpdate(node_id="n", metrics=pb.SystemMetrics(load_1m=-1)), "metrics.load_1m: -1.0 is below zero"),
        (pb.NodeUpdate(node_id="n", snapshot=pb.Snapshot(positions=[pb.JournalMark(journal_id="j")])), "journal.lane"),
        (
            pb.NodeUpdate(
                node_id="n",
                report=pb.NodeReport(role="edge", capabilities=pb.Capabilities(projects=[pb.Project(path="/p")])),
            ),
            "project.name: is empty",
        ),
        (pb.NodeUpdate(node_id="n", logs=pb.LogBatch(task_id="t")), "numbered from 1"),
        (pb.NodeUpdate(node_id="n", report=pb.NodeReport(role="king")), "'king' is not a valid Role"),
        (pb.NodeUpdate(node_id="n", command_result=pb.CommandResult(command_id="c")), "outcome: unknown value 0"),
    ],
)
def test_bad_update_is_refused_by_name(message: pb.NodeUpdate, complaint: str) -> None:
    with pytest.raises(ProtocolViolation, match=complaint):
        codec.decode_update(message)


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (pb.LeaderCommand(control=pb.ControlSignal(task_id="t")), "command_id: is empty"),
        (pb.LeaderCommand(command_id="c"), "empty is not for a node"),
        (pb.LeaderCommand(command_id="c", ack=pb.Ack()), "ack is not for a node"),
        (pb.LeaderCommand(command_id="c", control=pb.ControlSignal(task_id="t")), "action: unknown value 0"),
        (pb.LeaderCommand(command_id="c", task_request=pb.TaskRequest(task_id="t", kind="docker")), "kind"),
        (pb.LeaderCommand(command_id="c", task_request=pb.TaskRequest(task_id="t"), ttl_seconds=-1), "below zero"),
        (
            pb.LeaderCommand(command_id="c", task_request=pb.TaskRequest(task_id="t", timeout_seconds=-1)),
            "^timeout_seconds: -1.0 is below zero",
        ),
    ],
)
def test_bad_command_is_refused_by_name(message: pb.LeaderCommand, complaint: str) -> None:
    with pytest.raises(ProtocolViolation, match=complaint):
        codec.decode_command(message)


def test_a_base_request_is_a_first_attempt() -> None:
    request = codec.decode_request(pb.TaskRequest(task_id="t", argv=["true"]))

    assert request.attempt == 1


def test_log_line_of_a_later_version_is_kept() -> None:
    message = codec.encode_update(Update(node_id="n", payload=LOGS))
    message.logs.lines[0].level = 77  # type: ignore[assignment]
    message.logs.lines[0].stream = 77  # type: ignore[assignment]

    payload = codec.decode_update(message).payload

    assert isinstance(payload, LogBatch)
    assert payload.lines[0] == LogLine(1, LogLevel.INFO, LogStream.SYSTEM, b"\xff\x00 raw", 3)


def test_progress_out_of_range_is_clamped() -> None:
    message = pb.TaskStatusUpdate(task_id="t", state=pb.TASK_STATE_RUNNING, progress=45)

    assert codec.decode_task_status(message).progress == 1.0


def test_a_temperature_may_be_below_zero() -> None:
    update = Update(node_id="n", payload=filled(Metrics, gpus=(filled(GpuMetrics, temperature_celsius=-40.0),)))

    assert codec.decode_update(codec.encode_update(update)) == update


def test_text_that_is_not_unicode_is_replaced() -> None:
    status = TaskStatus(task_id="t", state=TaskState.RUNNING, name="caf\udce9")

    assert codec.encode_task_status(status).name == "caf?"
