from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodes.domain.events import LogBatch, LogLine, Update
from nodes.domain.states import LogLevel, LogStream
from nodes.stream.uplink.log_batches import split_to_fit
from nodes.stream.wire.codec import encode_update
from nodes.stream.wire.limits import MAX_ENTRY_BYTES


@given(st.lists(st.integers(0, 16_384), max_size=60), st.integers(1, 2**40))
def test_lines_keep_their_numbers_and_each_batch_fits(sizes: list[int], first_line: int) -> None:
    lines = tuple(LogLine(n, LogLevel.INFO, LogStream.STDOUT, b"x" * size) for n, size in enumerate(sizes))
    batch = LogBatch(task_id="t1", attempt=3, first_line=first_line, lines=lines)

    parts = list(split_to_fit(batch))

    assert tuple(line for part in parts for line in part.lines) == lines
    number = first_line
    for part in parts:
        assert (part.task_id, part.attempt, part.first_line) == ("t1", 3, number)
        assert encode_update(Update(node_id="n", payload=part)).ByteSize() < MAX_ENTRY_BYTES - 64
        number += len(part.lines)
    assert all(part.lines for part in parts[:-1])
    assert parts[-1].lines or not lines
