"""Stores tasks' output. A hot path: converts protobuf directly to rows, and encodes only messages with a subscriber.

A line is stored once, even if it is replayed: its number must be above the attempt's highest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nodes.domain.states import LogLevel
from nodes.leader.projection import topics
from nodes.leader.projection.contract import WireLine
from nodes.leader.projection.messages import LEVEL_NAMES, STREAM_NAMES, log_message
from nodes.leader.projection.published import Listener, Published
from nodes.stream.wire.v1 import node_sync_pb2 as pb

LOG_COLUMNS = ("id", "node_id", "task_id", "attempt", "number", "at_ms", "level", "stream", "text")
# A line's id consists of its batch's feed number and its index in the batch.
ID_SHIFT = 10
LINES_PER_SEQ = 1 << ID_SHIFT

# Stored level by wire value; unknown levels count as info.
_LEVELS = {
    pb.LOG_LEVEL_DEBUG: 10,
    pb.LOG_LEVEL_INFO: 20,
    pb.LOG_LEVEL_WARNING: 30,
    pb.LOG_LEVEL_ERROR: 40,
}
_STREAMS = {pb.LOG_STREAM_STDOUT: 1, pb.LOG_STREAM_STDERR: 2, pb.LOG_STREAM_SYSTEM: 3}
LEVEL_NUMBERS = {LogLevel.DEBUG: 10, LogLevel.INFO: 20, LogLevel.WARNING: 30, LogLevel.ERROR: 40}


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
    levels, streams = _LEVELS.get, _STREAMS.get
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
                levels(line.level, 20),
                streams(line.stream, 1),
                text,
            )
        )
    return LogRows(seq, node_id, task_id, attempt, rows)


def line_fields(row: tuple[Any, ...]) -> WireLine:
    """The wire form of a row with the columns `LOG_COLUMNS`."""
    return str(row[0]), row[4], row[5], LEVEL_NAMES[row[6]], STREAM_NAMES[row[7]], row[8]


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
    return Published.of(logs.seq, where, message, "logs", f"task:{logs.task_id}")
