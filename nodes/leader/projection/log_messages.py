"""Messages about output, and about entries that are missing from it or from the history."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

from nodes.domain.events import Gap
from nodes.domain.states import Lane, LogLevel, LogStream
from nodes.leader.projection.message_base import FeedNumber, Positioned, one_of

LaneWord = Annotated[str, one_of("Lane", Lane)]
LogLevelWord = Annotated[str, one_of("LogLevel", LogLevel)]
LogStreamWord = Annotated[str, one_of("LogStream", LogStream)]

# Id, line number in the attempt, time at the origin, level, stream, text (hostile: never render it as HTML).
WireLine = tuple[FeedNumber, int, int, LogLevelWord, LogStreamWord, str]


class LogBatch(Positioned):
    """New lines of output."""

    type: Literal["LOG"]
    node: str
    task: str
    attempt: int
    # Each is `[id, number in the attempt, at, level, stream, text]`.
    lines: list[WireLine]


# "from" is a keyword of Python.
GapRange = TypedDict("GapRange", {"from": FeedNumber, "to": FeedNumber})


class JournalGapFields(GapRange):
    # `trimmed`, `oversize`, `damaged` (a replaced journal), `missing` …
    reason: str
    lane: LaneWord
    node: str
    # Empty = unknown.
    task: str
    attempt: int
    # 0 = unknown.
    firstLine: int
    # How many are missing from there on; 0 = unknown.
    lines: int


class JournalGap(Positioned, JournalGapFields):
    """What a node dropped or no longer has: entries `from` to `to` of its journal ("0" if only lines are known). It
    cannot be recovered.
    """

    type: Literal["GAP"]
    at: int


def log_message(*, store: str, seq: int, node: str, task: str, attempt: int, lines: list[WireLine]) -> LogBatch:
    """LOG. `lines` are [id, number, atMs, level, stream, text]."""
    return {
        "type": "LOG",
        "store": store,
        "seq": str(seq),
        "node": node,
        "task": task,
        "attempt": attempt,
        "lines": lines,
    }


def gap_fields(gap: Gap, *, node: str, lane: str, attempt: int = 0, first_line: int = 0) -> JournalGapFields:
    return {
        "reason": gap.reason,
        "lane": str(lane),
        "node": node,
        "task": gap.task_id,
        "attempt": attempt,
        "firstLine": first_line,
        "lines": gap.lines,
        "from": str(gap.from_seq),
        "to": str(gap.to_seq),
    }
