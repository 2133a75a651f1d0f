"""Domain → protobuf → domain gives the same value; invalid values are refused with the field's name."""

from __future__ import annotations

import math

import pytest

from nodes.domain.commands import Command, ControlTask, StartTask, TaskSpec
from nodes.domain.events import (
    Capabilities,
    CommandResult,
    Evidence,
    Gap,
    Goodbye,
    GpuMetrics,
    JournalMark,
    LogBatch,
    LogLine,
    Metrics,
    NamedTask,
    NodeReport,
    Payload,
    Project,
    Snapshot,
    StallAlert,
    TaskStatus,
    Update,
)
from nodes.domain.parts import part
from nodes.domain.states import (
    Action,
    CommandState,
    Lane,
    LogLevel,
    LogStream,
    NodeState,
    Role,
    TaskHealth,
    TaskState,
)
from nodes.errors import ProtocolViolation
from nodes.stream.wire import codec
from nodes.stream.wire.v1 import node_sync_pb2 as pb

SPEC = TaskSpec(
    project="core",
    name="build",
    node="master-1",
    argv=("make", "全部"),
    working_directory="src",
    environment={"CC": "clang"},
    timeout_seconds=60,
    stall_after_seconds=5,
    close_input=True,
)
START = StartTask(task_id="t1", attempt=2, spec=SPEC)
GPU = GpuMetrics(
    name="H100", utilization_percent=12.5, memory_used_bytes=1, memory_total_bytes=2, temperature_celsius=40
)
METRICS = Metrics(
    cpu_percent=12.5,
    memory_used_bytes=1,
    memory_total_bytes=2,
    disk_used_bytes=3,
    disk_total_bytes=4,
    load_1m=0.5,
    gpus=(GPU,),
)
CAPABILITIES = Capabilities(
    os="Linux",
    architecture="x86_64",
    cpu_count=2,
    memory_bytes=2**40,
    python_version="3.11",
    agent_version="0.1",
    gpus=(GPU,),
    projects=(Project(name="core", path="/src", types=("python",), tasks=(NamedTask(name="test", argv=("pytest",)),)),),
    slots=4,
    allows_commands=True,
    pause_method="cgroup",
)
REPORT = NodeReport(
    role=Role.EDGE,
    parent="master-1",
    state=NodeState.SUSPECT,
    capabilities=CAPABILITIES,
    link_rtt_ms=1.5,
    address="h:1",
)
STATUS = TaskStatus(
    task_id="t1",
    state=TaskState.FAILED,
    attempt=2,
    name="build",
    project="core",
    progress=0.0,
    message="signal 9",
    message_parts=(part("ended-by-number", number="9"), part("cancelled")),
    exit_code=0,
    started_at_ms=1,
    ended_at_ms=2,
    cpu_seconds=1.5,
    peak_memory_bytes=7,
    paused_seconds=2.5,
    partial_pause=True,
    suppressed_lines=9,
    pid=77,
    accepts_input=True,
    request=START,
)
LOGS = LogBatch(
    task_id="t1",
    attempt=1,
    first_line=5,
    lines=(
        LogLine(1, LogLevel.ERROR, LogStream.STDERR, b"\xff\x00 raw", 3),
        LogLine(2, LogLevel.DEBUG, LogStream.STDOUT, b""),
    ),
)


@pytest.mark.parametrize(
    "payload",
    [
        STATUS,
        TaskStatus(task_id="t", state=TaskState.RUNNING),
        METRICS,
        StallAlert(
            reason_parts=(part("stalled", seconds="9"), part("usual-end", seconds="4")),
            task_id="t1",
            verdict=TaskHealth.WAITING,
            reason="prompt",
            silent_seconds=9,
            evidence=(Evidence(id="e1", kind="output", text="Continue? [y/N]"),),
        ),
        LOGS,
        CommandResult(command_id="c1", state=CommandState.EXPIRED, message="too late", code="expired"),
        Gap(from_seq=1, to_seq=4, reason="trimmed", task_id="t1", lines=12),
        REPORT,
        Snapshot(
            tasks=(STATUS,),
            positions=(JournalMark(journal_id="j", seq=9, node_id="n", lane=Lane.LOGS, first_seq=2),),
            report=REPORT,
            metrics=METRICS,
        ),
        Goodbye(reason="stop"),
    ],
    ids=lambda payload: type(payload).__name__,
)
def test_update_round_trip(payload: Payload) -> None:
    update = Update(node_id="n", payload=payload, timestamp_ms=123, journal_id="j", seq=2**60)

    message = pb.NodeUpdate.FromString(codec.encode_update(update).SerializeToString())

    assert codec.decode_update(message) == update


@pytest.mark.parametrize(
    "body",
    [
        START,
        ControlTask(task_id="t1", action=Action.INPUT, reason="asked", input=b"y\n\xff", close_input=True),
        ControlTask(task_id="t1", action=Action.CANCEL),
    ],
)
def test_command_round_trip(body: StartTask | ControlTask) -> None:
    command = Command(command_id="c1", body=body, target_node_id="master-1", ttl_seconds=2.5, epoch=7)

    message = codec.encode_command(command)

    assert codec.decode_command(message) == command
    assert codec.target_of(message) == "master-1"


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (pb.NodeUpdate(node_id="n"), "payload: empty or unknown"),
        (pb.NodeUpdate(node_id="n", ping=pb.Ping()), "payload: ping"),
        (pb.NodeUpdate(metrics=pb.SystemMetrics()), "node_id: is empty"),
        (pb.NodeUpdate(node_id="n", metrics=pb.SystemMetrics(cpu_percent=math.nan)), "metrics.cpu_percent: nan"),
        (pb.NodeUpdate(node_id="n", metrics=pb.SystemMetrics(load_1m=math.inf)), "metrics.load_1m: inf"),
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


def test_text_that_is_not_unicode_is_replaced() -> None:
    status = TaskStatus(task_id="t", state=TaskState.RUNNING, name="caf\udce9")

    assert codec.encode_task_status(status).name == "caf?"
