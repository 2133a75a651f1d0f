"""Splits a batch of log lines so that each part fits into one journal entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from nodes.domain.events import LogBatch

# Half of an entry's limit: leaves room for the fields of each line, and two such batches fit into one frame.
_MAX_TEXT_BYTES = 120 * 1024
_LINE_BYTES = 24
_MAX_LINES = 1000


def split_to_fit(batch: LogBatch) -> Iterator[LogBatch]:
    """The same lines with the same numbers, in one or more batches."""
    start = size = 0
    for index, line in enumerate(batch.lines):
        line_bytes = len(line.text) + _LINE_BYTES
        if index > start and (size + line_bytes > _MAX_TEXT_BYTES or index - start >= _MAX_LINES):
            yield replace(batch, first_line=batch.first_line + start, lines=batch.lines[start:index])
            start, size = index, 0
        size += line_bytes
    yield replace(batch, first_line=batch.first_line + start, lines=batch.lines[start:])
