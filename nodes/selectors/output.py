"""Reads of task output."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any

from django.db.models import QuerySet

from nodes.domain.states import LogLevel
from nodes.errors import NotFound
from nodes.leader.projection.log_lines import LEVEL_NUMBERS, LOG_COLUMNS, line_fields
from nodes.leader.projection.log_messages import LogBatch, log_message
from nodes.leader.projection.message_base import Message
from nodes.models import Attempt, LogLine, Task
from nodes.selectors.feed import batches, position

SNAPSHOT_LINES = 300
MAX_LINES = 5_000
# A node's newest lines are read from this many of its latest attempts.
_LATEST_ATTEMPTS = 10
_LINES_SEARCHED = 2_000
# One search reads and returns at most this much; the caller continues from where it stopped.
SEARCH_LINES = 10_000
SEARCH_CHARACTERS = 4_000_000
SEARCH_MATCHES = 500


def task_log(
    task_id: str, attempt: int | None = None, after: int = 0, limit: int = 1_000, level: str | None = None
) -> Message:
    """Lines of one attempt (None = the latest) after line number `after`. Raises `NotFound`.

    `lines` as in LOG; `next` is the `after` of the next page, or None at the current end. `missing`: inclusive ranges
    of line numbers that no longer exist anywhere or never arrived; empty when filtered by level.
    """
    task = Task.objects.filter(id=task_id).first()
    if task is None:
        raise NotFound(f"There is no task {task_id}.")
    number = attempt or task.attempt
    lines = LogLine.objects.filter(task_id=task_id, attempt=number, number__gt=after)
    if level:
        lines = lines.filter(level__gte=LEVEL_NUMBERS[LogLevel(level)])
    limit = min(max(limit, 1), MAX_LINES)
    # Within an attempt, ids and numbers grow together; the index is by id.
    rows = list(lines.order_by("id").values_list(*LOG_COLUMNS)[: limit + 1])
    has_more = len(rows) > limit
    rows = rows[:limit]
    last = Attempt.objects.filter(task=task_id, number=number).values_list("last_line", flat=True).first() or 0
    end = rows[-1][4] if has_more else last
    return {
        "task": task_id,
        "attempt": number,
        "lines": [line_fields(row) for row in rows],
        "missing": [] if level else _missing([after, *(row[4] for row in rows), end + 1]),
        "lastLine": last,
        "next": rows[-1][4] if has_more else None,
    }


def _missing(numbers: Sequence[int]) -> list[list[int]]:
    """The holes in an ascending sequence of numbers."""
    return [[before + 1, number - 1] for before, number in pairwise(numbers) if number > before + 1]


def recent_logs(*, node: str = "", task: str = "", level: str = "", limit: int = SNAPSHOT_LINES) -> list[LogBatch]:
    """The newest lines as LOG messages, oldest first: of all tasks, of one node's latest attempts, or of one task."""
    lowest = LEVEL_NUMBERS[LogLevel(level.lower())] if level else 0
    if task:
        number = Task.objects.filter(id=task).values_list("attempt", flat=True).first()
        rows = _newest(LogLine.objects.filter(task_id=task, attempt=number), lowest, limit) if number else []
    elif node:
        attempts = Attempt.objects.filter(node=node).order_by("-created_at").values_list("task_id", "number")
        rows = [
            row
            for task_id, number in attempts[:_LATEST_ATTEMPTS]
            for row in _newest(LogLine.objects.filter(task_id=task_id, attempt=number), lowest, limit)
        ]
        rows = sorted(rows)[-limit:]
    else:
        rows = _newest(LogLine.objects.all(), lowest, limit)
    return _messages(rows)


def search_logs(
    *,
    wanted: Collection[str],
    unwanted: Collection[str] = (),
    levels: Collection[LogLevel] = tuple(LogLevel),
    task: str = "",
    attempt: int = 0,
    node: str = "",
    before: int | None = None,
) -> Message:
    """Searches from the newest line for lines with all `wanted` and no `unwanted` words (both in lower case).

    Searches one attempt, one node or everything, and only lines with an id below `before`. Reads a bounded part of
    the log, whether or not it finds anything. `logs`: LOG messages, oldest first; `before` is where the next
    part begins, or None at the end; `line` and `at` are the number and time of the oldest line read, or 0.
    """
    lines = LogLine.objects.filter(task_id=task, attempt=attempt) if task else LogLine.objects.all()
    if before is not None:
        lines = lines.filter(id__lt=before)
    # Walks the index by id without further conditions: a search for a rare word must not read the whole table.
    rows = lines.order_by("-id").values_list(*LOG_COLUMNS)[:SEARCH_LINES].iterator(chunk_size=500)
    numbers = {LEVEL_NUMBERS[level] for level in levels}
    found: list[tuple[Any, ...]] = []
    last: tuple[Any, ...] | None = None
    count = characters = 0
    for row in rows:
        last, count, characters = row, count + 1, characters + len(row[8])
        if row[6] in numbers and (not node or row[1] == node) and _has_words(row[8], wanted, unwanted):
            found.append(row)
        if len(found) >= SEARCH_MATCHES or characters >= SEARCH_CHARACTERS:
            break
    is_cut = count == SEARCH_LINES or len(found) >= SEARCH_MATCHES or characters >= SEARCH_CHARACTERS
    return {
        "logs": _messages(found[::-1]),
        "before": str(last[0]) if last and is_cut else None,
        "line": last[4] if last else 0,
        "at": last[5] if last else 0,
    }


def _has_words(text: str, wanted: Collection[str], unwanted: Collection[str]) -> bool:
    if not wanted and not unwanted:
        return True
    text = text.lower()
    return all(word in text for word in wanted) and not any(word in text for word in unwanted)


def _messages(rows: Sequence[tuple[Any, ...]]) -> list[LogBatch]:
    """LOG messages for rows that are ordered by id."""
    store, _ = position()
    return [
        log_message(
            store=store,
            seq=batch.seq,
            node=batch.node_id,
            task=batch.task_id,
            attempt=batch.attempt,
            lines=[line_fields(row) for row in batch.rows],
        )
        for batch in batches(rows)
    ]


def _newest(lines: QuerySet[LogLine], lowest: int, limit: int) -> list[tuple[Any, ...]]:
    """Ordered by id. Filters by level among the newest lines only: a rare level must not read a whole log."""
    rows = lines.order_by("-id").values_list(*LOG_COLUMNS)
    if not lowest:
        return list(rows[:limit])[::-1]
    return [row for row in rows[:_LINES_SEARCHED] if row[6] >= lowest][:limit][::-1]
