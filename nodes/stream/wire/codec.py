"""Converts domain values to protobuf and back; besides `command_codec`, the only module that knows both.

Decoding trusts nothing: an unknown enum value, a number that is NaN or infinite, or an empty payload raises
`ProtocolViolation`, so that one bad entry can be quarantined without affecting the entries after it
(docs/protocol.md, "Bad input"). Log text stays bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

from nodes.domain.events import (
    CommandResult,
    Evidence,
    Gap,
    Goodbye,
    JournalMark,
    LogBatch,
    LogLine,
    Metrics,
    NodeReport,
    Payload,
    Snapshot,
    StallAlert,
    TaskStatus,
    Update,
)
from nodes.domain.parts import Part
from nodes.domain.states import Lane, LogLevel, LogStream
from nodes.errors import ProtocolViolation
from nodes.stream.wire.command_codec import (
    decode_command,
    decode_request,
    encode_command,
    encode_request,
    target_of,
)
from nodes.stream.wire.fields import (
    LOG_LEVEL_NUMBERS,
    LOG_LEVELS,
    LOG_STREAM_NUMBERS,
    LOG_STREAMS,
    OUTCOME_NUMBERS,
    OUTCOMES,
    TASK_STATE_NUMBERS,
    TASK_STATES,
    VERDICT_NUMBERS,
    VERDICTS,
    finite,
    known,
    not_negative,
    required,
    text,
)
from nodes.stream.wire.report_codec import (
    decode_capabilities,
    decode_gpu,
    decode_report,
    encode_capabilities,
    encode_gpu,
    encode_report,
)
from nodes.stream.wire.v1 import node_sync_pb2 as pb

__all__ = [
    "decode_capabilities",
    "decode_command",
    "decode_mark",
    "decode_metrics",
    "decode_report",
    "decode_request",
    "decode_snapshot",
    "decode_task_status",
    "decode_update",
    "encode_capabilities",
    "encode_command",
    "encode_mark",
    "encode_report",
    "encode_request",
    "encode_task_status",
    "encode_update",
    "target_of",
]


def encode_update(update: Update) -> pb.NodeUpdate:
    message = pb.NodeUpdate(
        node_id=update.node_id, timestamp=update.timestamp_ms, journal_id=update.journal_id, seq=update.seq
    )
    _set_payload(message, update.payload)
    return message


def _set_payload(message: pb.NodeUpdate, payload: Payload) -> None:
    match payload:
        case TaskStatus():
            message.task_update.CopyFrom(encode_task_status(payload))
        case Metrics():
            message.metrics.CopyFrom(_encode_metrics(payload))
        case StallAlert():
            message.alert.CopyFrom(_encode_alert(payload))
        case LogBatch():
            _fill_logs(message.logs, payload)
        case CommandResult():
            message.command_result.CopyFrom(
                pb.CommandResult(
                    command_id=payload.command_id,
                    outcome=OUTCOME_NUMBERS[payload.state],
                    message=text(payload.message),
                    code=payload.code,
                )
            )
        case Gap():
            message.gap.CopyFrom(
                pb.Gap(
                    from_seq=payload.from_seq,
                    to_seq=payload.to_seq,
                    reason=payload.reason,
                    task_id=payload.task_id,
                    lines=payload.lines,
                )
            )
        case Snapshot():
            message.snapshot.CopyFrom(_encode_snapshot(payload))
        case NodeReport():
            message.report.CopyFrom(encode_report(payload))
        case Goodbye():
            message.goodbye.CopyFrom(pb.Goodbye(reason=text(payload.reason)))


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
    match message.WhichOneof("payload"):
        case "task_update":
            return decode_task_status(message.task_update)
        case "metrics":
            return decode_metrics(message.metrics)
        case "alert":
            return _decode_alert(message.alert)
        case "logs":
            return _decode_logs(message.logs)
        case "command_result":
            result = message.command_result
            return CommandResult(
                command_id=required(result.command_id, "command_result.command_id"),
                state=known(OUTCOMES, result.outcome, "command_result.outcome"),
                message=result.message,
                code=result.code,
            )
        case "gap":
            gap = message.gap
            return Gap(
                from_seq=gap.from_seq, to_seq=gap.to_seq, reason=gap.reason, task_id=gap.task_id, lines=gap.lines
            )
        case "snapshot":
            return decode_snapshot(message.snapshot)
        case "report":
            return decode_report(message.report)
        case "goodbye":
            return Goodbye(reason=message.goodbye.reason)
        case other:
            # Hello, Ping, Pong and batches belong to the session; None is a payload of a later version.
            raise ProtocolViolation(f"payload: {other or 'empty or unknown'} is not an update of a node")


def encode_task_status(status: TaskStatus) -> pb.TaskStatusUpdate:
    message = pb.TaskStatusUpdate(
        task_id=status.task_id,
        state=TASK_STATE_NUMBERS[status.state],
        message=text(status.message),
        message_parts=_encode_parts(status.message_parts),
        attempt=status.attempt,
        name=text(status.name),
        project=text(status.project),
        started_at=status.started_at_ms,
        ended_at=status.ended_at_ms,
        cpu_seconds=status.cpu_seconds,
        peak_memory_bytes=status.peak_memory_bytes,
        paused_seconds=status.paused_seconds,
        partial_pause=status.partial_pause,
        suppressed_lines=status.suppressed_lines,
        pid=status.pid,
        accepts_input=status.accepts_input,
        # Absent stays absent: 0 is a valid value.
        progress=status.progress,
        exit_code=status.exit_code,
    )
    if status.request is not None:
        message.request.CopyFrom(encode_request(status.request))
    return message


def decode_task_status(message: pb.TaskStatusUpdate) -> TaskStatus:
    progress = None
    if message.HasField("progress"):
        # Clamped instead of refused: a task's own rounding error must not make its whole state invalid.
        progress = min(max(finite(message.progress, "task_update.progress"), 0.0), 1.0)
    return TaskStatus(
        task_id=required(message.task_id, "task_update.task_id"),
        state=known(TASK_STATES, message.state, "task_update.state"),
        attempt=message.attempt or 1,
        name=message.name,
        project=message.project,
        progress=progress,
        message=message.message,
        message_parts=_decode_parts(message.message_parts),
        exit_code=message.exit_code if message.HasField("exit_code") else None,
        started_at_ms=message.started_at,
        ended_at_ms=message.ended_at,
        cpu_seconds=not_negative(message.cpu_seconds, "task_update.cpu_seconds"),
        peak_memory_bytes=message.peak_memory_bytes,
        paused_seconds=not_negative(message.paused_seconds, "task_update.paused_seconds"),
        partial_pause=message.partial_pause,
        suppressed_lines=message.suppressed_lines,
        pid=message.pid,
        accepts_input=message.accepts_input,
        request=decode_request(message.request) if message.HasField("request") else None,
    )


def _encode_parts(parts: Iterable[Part]) -> list[pb.MessagePart]:
    return [
        pb.MessagePart(code=one.code, values={name: text(value) for name, value in one.values.items()}) for one in parts
    ]


def _decode_parts(parts: Iterable[pb.MessagePart]) -> tuple[Part, ...]:
    return tuple(Part(one.code, dict(one.values)) for one in parts)


def _encode_metrics(metrics: Metrics) -> pb.SystemMetrics:
    return pb.SystemMetrics(
        cpu_percent=metrics.cpu_percent,
        memory_used_bytes=metrics.memory_used_bytes,
        memory_total_bytes=metrics.memory_total_bytes,
        disk_used_bytes=metrics.disk_used_bytes,
        disk_total_bytes=metrics.disk_total_bytes,
        load_1m=metrics.load_1m,
        gpus=[encode_gpu(gpu) for gpu in metrics.gpus],
    )


def decode_metrics(message: pb.SystemMetrics) -> Metrics:
    return Metrics(
        cpu_percent=not_negative(message.cpu_percent, "metrics.cpu_percent"),
        memory_used_bytes=message.memory_used_bytes,
        memory_total_bytes=message.memory_total_bytes,
        disk_used_bytes=message.disk_used_bytes,
        disk_total_bytes=message.disk_total_bytes,
        load_1m=not_negative(message.load_1m, "metrics.load_1m"),
        gpus=tuple(decode_gpu(gpu) for gpu in message.gpus),
    )


def _encode_alert(alert: StallAlert) -> pb.StallAlert:
    return pb.StallAlert(
        task_id=alert.task_id,
        verdict=VERDICT_NUMBERS[alert.verdict],
        reason=text(alert.reason),
        reason_parts=_encode_parts(alert.reason_parts),
        silent_seconds=alert.silent_seconds,
        evidence=[pb.StallEvidence(id=item.id, kind=item.kind, text=text(item.text)) for item in alert.evidence],
    )


def _decode_alert(message: pb.StallAlert) -> StallAlert:
    return StallAlert(
        task_id=required(message.task_id, "alert.task_id"),
        verdict=known(VERDICTS, message.verdict, "alert.verdict"),
        reason=message.reason,
        reason_parts=_decode_parts(message.reason_parts),
        silent_seconds=not_negative(message.silent_seconds, "alert.silent_seconds"),
        evidence=tuple(Evidence(id=item.id, kind=item.kind, text=item.text) for item in message.evidence),
    )


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
        attempt=message.attempt or 1,
        first_line=message.first_line,
        lines=tuple(
            LogLine(
                line.at, level_of(line.level, info), stream_of(line.stream, system), line.text, line.truncated_bytes
            )
            for line in message.lines
        ),
    )


def _encode_snapshot(snapshot: Snapshot) -> pb.Snapshot:
    message = pb.Snapshot(
        tasks=[encode_task_status(status) for status in snapshot.tasks],
        positions=[encode_mark(mark) for mark in snapshot.positions],
        report=encode_report(snapshot.report),
    )
    if snapshot.metrics is not None:
        message.metrics.CopyFrom(_encode_metrics(snapshot.metrics))
    return message


def decode_snapshot(message: pb.Snapshot) -> Snapshot:
    return Snapshot(
        tasks=tuple(decode_task_status(status) for status in message.tasks),
        positions=tuple(decode_mark(mark) for mark in message.positions),
        report=decode_report(message.report),
        metrics=decode_metrics(message.metrics) if message.HasField("metrics") else None,
    )


def encode_mark(mark: JournalMark) -> pb.JournalMark:
    return pb.JournalMark(
        journal_id=mark.journal_id, seq=mark.seq, node_id=mark.node_id, lane=str(mark.lane), first_seq=mark.first_seq
    )


def decode_mark(message: pb.JournalMark) -> JournalMark:
    try:
        lane = Lane(message.lane)
    except ValueError:
        raise ProtocolViolation(f"journal.lane: unknown value {message.lane!r}") from None
    return JournalMark(
        journal_id=required(message.journal_id, "journal.journal_id"),
        seq=message.seq,
        node_id=message.node_id,
        lane=lane,
        first_seq=message.first_seq,
    )
