"""Stores tasks' output. A hot path: converts protobuf directly to rows, and encodes only messages with a subscriber.

A line is stored once, even if it is replayed: its number must be above the attempt's highest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nodes.domain.states import LogLevel, LogStream
from nodes.leader.projection import topics
from nodes.leader.projection.log_messages import WireLine, log_message
from nodes.leader.projection.published import Listener, Published
from nodes.stream.wire.fields import LOG_LEVELS, LOG_STREAMS
from nodes.stream.wire.v1 import node_sync_pb2 as pb

LOG_COLUMNS = ("id", "node_id", "task_id", "attempt", "number", "at_ms", "level", "stream", "text")
# A line's id consists of its batch's feed number and its index in the batch.
ID_SHIFT = 10
LINES_PER_SEQ = 1 << ID_SHIFT

# How levels and streams are stored; levels are ordered so that "this and above" is one comparison.
LEVEL_NUMBERS = {LogLevel.DEBUG: 10, LogLevel.INFO: 20, LogLevel.WARNING: 30, LogLevel.ERROR: 40}
_STREAM_NUMBERS = {LogStream.STDOUT: 1, LogStream.STDERR: 2, LogStream.SYSTEM: 3}
_LEVELS = {number: level.value for level, number in LEVEL_NUMBERS.items()}
_STREAMS = {number: stream.value for stream, number in _STREAM_NUMBERS.items()}
# Wire value → stored number in one step, for the hot path.
_WIRE_LEVELS: dict[int, int] = {wire: LEVEL_NUMBERS[level] for wire, level in LOG_LEVELS.items()}
_WIRE_STREAMS: dict[int, int] = {wire: _STREAM_NUMBERS[stream] for wire, stream in LOG_STREAMS.items()}


@dataclass(frozen=True, slots=True)
class LogRows:
    """Lines that share one feed number; each row has the columns of `LOG_COLUMNS`."""

    seq: int
    node_id: str
    task_id: str
    attempt: int
    rows: list[tuple[Any, ...]]


def log_rows(
    batch: pb.LogBatch, *, seq: int, node_id: str, attempt: int, first_line: int, start: int, stop: int
) -> LogRows:
    """Rows of the batch's lines `start` to `stop`, at most `LINES_PER_SEQ`."""
    task_id = batch.task_id
    key = seq << ID_SHIFT
    rows: list[tuple[Any, ...]] = []
    info, stdout = LEVEL_NUMBERS[LogLevel.INFO], _STREAM_NUMBERS[LogStream.STDOUT]  # What unknown values count as.
    levels, streams = _WIRE_LEVELS.get, _WIRE_STREAMS.get
    for index, line in enumerate(batch.lines[start:stop]):
        text = line.text.decode("utf-8", "replace")
        if "\x00" in text:  # PostgreSQL rejects NUL, and it is invisible.
            text = text.replace("\x00", "")
        if line.truncated_bytes:
            text = f"{text} … [{line.truncated_bytes} bytes cut]"
        rows.append(
            (
                key + index,
                node_id,
                task_id,
                attempt,
                first_line + start + index,
                line.at,
                levels(line.level, info),
                streams(line.stream, stdout),
                text,
            )
        )
    return LogRows(seq, node_id, task_id, attempt, rows)


def line_fields(row: tuple[Any, ...]) -> WireLine:
    """The wire form of a row with the columns `LOG_COLUMNS`."""
    return str(row[0]), row[4], row[5], _LEVELS[row[6]], _STREAMS[row[7]], row[8]


def published_logs(logs: LogRows, *, store: str, listener: Listener) -> Iterator[Published]:
    """The LOG messages that currently have a subscriber; called after the commit (see `Listener.wants`)."""
    whole = (topics.LOGS, topics.logs(logs.node_id), topics.task(logs.task_id))
    wanted = tuple(topic for topic in whole if listener.wants(topic))
    if wanted:
        # All three topics, not only the wanted ones: another client may have subscribed meanwhile.
        yield _published(logs, logs.rows, whole, store)
    for level in LogLevel:
        topic = topics.logs(logs.node_id, level)
        if listener.wants(topic):
            rows = [row for row in logs.rows if row[6] >= LEVEL_NUMBERS[level]]
            if rows:
                yield _published(logs, rows, (topic,), store)


def _published(logs: LogRows, rows: list[tuple[Any, ...]], where: tuple[str, ...], store: str) -> Published:
    message = log_message(
        store=store,
        seq=logs.seq,
        node=logs.node_id,
        task=logs.task_id,
        attempt=logs.attempt,
        lines=[line_fields(row) for row in rows],
    )
    return Published.of(logs.seq, where, message, "logs")
