"""Converts domain values to protobuf and back; besides `command_codec`, the only module that knows both.

Decoding trusts nothing: an unknown enum value, a number that is NaN or infinite, or an empty payload raises
`ProtocolViolation`, so that one bad entry can be quarantined without affecting the entries after it
(docs/protocol.md, "Bad input"). Log text stays bytes.

A field that value and message have in common is not listed here: `converter` takes it from the declarations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from nodes.domain.commands import StartTask
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
from nodes.domain.names import foreign_name
from nodes.domain.phrases import Phrase, phrase
from nodes.domain.states import LogLevel, LogStream, NodeState
from nodes.errors import ProtocolViolation
from nodes.stream.wire.command_codec import (
    decode_command,
    decode_request,
    encode_command,
    encode_request,
    target_of,
)
from nodes.stream.wire.converter import Converter, Functions, word
from nodes.stream.wire.fields import (
    LOG_LEVEL_NUMBERS,
    LOG_LEVELS,
    LOG_STREAM_NUMBERS,
    LOG_STREAMS,
    finite,
    required,
    text,
)
from nodes.stream.wire.v1 import node_sync_pb2 as pb

__all__ = [
    "decode_command",
    "decode_request",
    "decode_task_status",
    "decode_update",
    "encode_command",
    "encode_mark",
    "encode_report",
    "encode_request",
    "encode_task_status",
    "encode_update",
    "target_of",
]


def _attempt(number: int) -> int:
    """A base client has no attempts: its only one is the first."""
    return number or 1


def _progress(value: float) -> float:
    """Clamped instead of refused: a task's own rounding error must not make its whole state invalid."""
    return min(max(finite(value, "task_update.progress"), 0.0), 1.0)


def _name(field: str) -> Callable[[str], str]:
    """Refuses a name of which nothing can be seen, like an empty one."""
    return lambda value: required(foreign_name(value), field)


def _encode_phrase(said: Phrase) -> pb.Phrase:
    # Raises for a value that is not a text: a node's phrases have no others.
    values = {text(name): text(cast(str, value)) for name, value in said["values"].items()}
    return pb.Phrase(key=text(said["key"]), values=values)


def _decode_phrase(message: pb.Phrase) -> Phrase:
    return phrase(message.key, **message.values)


def _node_state(value: str) -> NodeState:
    return word(NodeState, value or NodeState.ONLINE, "report.state")


_PHRASE = Functions(_encode_phrase, _decode_phrase)
_GPU = Converter(GpuMetrics, pb.GpuMetrics, "gpu")
_METRICS = Converter(Metrics, pb.SystemMetrics, "metrics", nested={GpuMetrics: _GPU})
_NAMED_TASK = Converter(NamedTask, pb.NamedTask, "named_task", own={"name": _name("named_task.name")})
_PROJECT = Converter(
    Project, pb.Project, "project", own={"name": _name("project.name")}, nested={NamedTask: _NAMED_TASK}
)
_CAPABILITIES = Converter(Capabilities, pb.Capabilities, "capabilities", nested={GpuMetrics: _GPU, Project: _PROJECT})
_REPORT = Converter(
    NodeReport,
    pb.NodeReport,
    "report",
    own={"state": _node_state},
    nested={Capabilities: _CAPABILITIES, Phrase: _PHRASE},
)
_MARK = Converter(JournalMark, pb.JournalMark, "journal")
_STATUS = Converter(
    TaskStatus,
    pb.TaskStatusUpdate,
    "task_update",
    renamed={"started_at_ms": "started_at", "ended_at_ms": "ended_at"},
    own={"attempt": _attempt, "progress": _progress, "project": foreign_name},
    nested={Phrase: _PHRASE, StartTask: Functions(encode_request, decode_request)},
)
_EVIDENCE = Converter(Evidence, pb.StallEvidence, "evidence")
_ALERT = Converter(StallAlert, pb.StallAlert, "alert", nested={Phrase: _PHRASE, Evidence: _EVIDENCE})
_RESULT = Converter(CommandResult, pb.CommandResult, "command_result", renamed={"state": "outcome"})
_GAP = Converter(Gap, pb.Gap, "gap")
_GOODBYE = Converter(Goodbye, pb.Goodbye, "goodbye")
_SNAPSHOT = Converter(
    Snapshot,
    pb.Snapshot,
    "snapshot",
    nested={TaskStatus: _STATUS, JournalMark: _MARK, NodeReport: _REPORT, Metrics: _METRICS},
)

encode_mark = _MARK.to_wire
encode_report = _REPORT.to_wire
encode_task_status, decode_task_status = _STATUS.to_wire, _STATUS.from_wire

# By the message's field in NodeUpdate. A LogBatch is converted by hand: it is the hot path.
_PAYLOADS: dict[str, tuple[type, Converter[Any, Any]]] = {
    "task_update": (TaskStatus, _STATUS),
    "metrics": (Metrics, _METRICS),
    "alert": (StallAlert, _ALERT),
    "command_result": (CommandResult, _RESULT),
    "gap": (Gap, _GAP),
    "snapshot": (Snapshot, _SNAPSHOT),
    "report": (NodeReport, _REPORT),
    "goodbye": (Goodbye, _GOODBYE),
}
_ENCODERS = {kind: (field, converter.to_wire) for field, (kind, converter) in _PAYLOADS.items()}
_DECODERS = {field: converter.from_wire for field, (_, converter) in _PAYLOADS.items()}


def encode_update(update: Update) -> pb.NodeUpdate:
    message = pb.NodeUpdate(
        node_id=update.node_id, timestamp=update.timestamp_ms, journal_id=update.journal_id, seq=update.seq
    )
    payload = update.payload
    if isinstance(payload, LogBatch):
        _fill_logs(message.logs, payload)
    else:
        field, encode = _ENCODERS[type(payload)]
        getattr(message, field).CopyFrom(encode(payload))
    return message


def decode_update(message: pb.NodeUpdate) -> Update:
    """Raises `ProtocolViolation`; no part of a bad update is used."""
    return Update(
        node_id=required(message.node_id, "node_id"),
        payload=_decode_payload(message),
        timestamp_ms=message.timestamp,
        journal_id=message.journal_id,
        seq=message.seq,
    )


def _decode_payload(message: pb.NodeUpdate) -> Payload:
    field = message.WhichOneof("payload")
    if field == "logs":
        return _decode_logs(message.logs)
    if field not in _DECODERS:
        # Hello, Ping, Pong and batches belong to the session; None is a payload of a later version.
        raise ProtocolViolation(f"payload: {field or 'empty or unknown'} is not an update of a node")
    payload: Payload = _DECODERS[field](getattr(message, field))
    return payload


def _fill_logs(message: pb.LogBatch, batch: LogBatch) -> None:
    message.task_id = batch.task_id
    message.attempt = batch.attempt
    message.first_line = batch.first_line
    add = message.lines.add
    for line in batch.lines:
        add(
            at=line.at_ms,
            level=LOG_LEVEL_NUMBERS[line.level],
            stream=LOG_STREAM_NUMBERS[line.stream],
            text=line.text,
            truncated_bytes=line.truncated_bytes,
        )


def _decode_logs(message: pb.LogBatch) -> LogBatch:
    if message.first_line == 0:
        raise ProtocolViolation("logs.first_line: lines are numbered from 1")
    # An unknown level or stream (of a later version) gets a default: the line itself must be kept.
    level_of, stream_of = LOG_LEVELS.get, LOG_STREAMS.get
    info, system = LogLevel.INFO, LogStream.SYSTEM
    return LogBatch(
        task_id=required(message.task_id, "logs.task_id"),
        attempt=_attempt(message.attempt),
        first_line=message.first_line,
        lines=tuple(
            LogLine(
                line.at, level_of(line.level, info), stream_of(line.stream, system), line.text, line.truncated_bytes
            )
            for line in message.lines
        ),
    )
