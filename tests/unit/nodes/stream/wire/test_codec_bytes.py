"""For any bytes, the codec returns a value or raises its own error, never another one."""

from __future__ import annotations

import contextlib

from google.protobuf.message import DecodeError, Message
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.domain.commands import Command, ControlTask, StartTask, TaskSpec
from nodes.domain.events import CommandResult, LogBatch, LogLine, NodeReport, Snapshot, TaskStatus, Update
from nodes.domain.states import Action, CommandState, LogLevel, LogStream, Role, TaskState
from nodes.errors import ProtocolViolation
from nodes.stream.wire.codec import decode_command, decode_update, encode_command, encode_update
from nodes.stream.wire.v1 import node_sync_pb2 as pb

START = StartTask(task_id="t1", attempt=2, spec=TaskSpec(argv=("a", "b"), environment={"A": "1"}, timeout_seconds=3.0))
RUNNING = TaskStatus(task_id="t1", attempt=2, state=TaskState.RUNNING, progress=0.5, request=START)
LINES = (LogLine(1, LogLevel.INFO, LogStream.STDOUT, b"\xff\x00text"),)
SEEDS: list[Message] = [
    *(
        encode_update(Update(node_id="n", payload=payload))
        for payload in (
            RUNNING,
            LogBatch(task_id="t1", attempt=1, first_line=1, lines=LINES),
            CommandResult(command_id="c", state=CommandState.FAILED, code="x", message="y"),
            Snapshot(tasks=(RUNNING,), positions=(), report=NodeReport(role=Role.MASTER)),
        )
    ),
    encode_command(Command(command_id="c", body=START, ttl_seconds=5.0)),
    encode_command(Command(command_id="c", body=ControlTask(task_id="t1", action=Action.INPUT, input=b"\x00"))),
]
SETTINGS = settings(max_examples=400)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid message with a few bytes changed, removed or inserted: it gets further than random bytes."""
    data = bytearray(draw(st.sampled_from(SEEDS)).SerializeToString())
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        data[start : start + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


@SETTINGS
@given(st.one_of(st.binary(max_size=200), damaged()))
def test_an_update_of_any_bytes(data: bytes) -> None:
    with contextlib.suppress(ProtocolViolation, DecodeError):
        encode_update(decode_update(pb.NodeUpdate.FromString(data)))  # What can be decoded can be encoded again.


@SETTINGS
@given(st.one_of(st.binary(max_size=200), damaged()))
def test_a_command_of_any_bytes(data: bytes) -> None:
    with contextlib.suppress(ProtocolViolation, DecodeError):
        encode_command(decode_command(pb.LeaderCommand.FromString(data)))


def test_the_seeds_are_valid() -> None:
    for seed in SEEDS:
        decode_update(seed) if isinstance(seed, pb.NodeUpdate) else decode_command(seed)  # type: ignore[arg-type]
