from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.agent.runner.progress import Progress, parse_progress


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        (b"::agentflow progress=0.4 message=linking::", Progress(fraction=0.4, message="linking")),
        (b"::agentflow progress=40% message=a b: c::", Progress(fraction=0.4, message="a b: c")),
        (b"::agentflow progress=7::", Progress(fraction=1.0)),
        (b"::agentflow progress=-1::", Progress(fraction=0.0)),
        (b"::agentflow message=progress=0.9::", Progress(message="progress=0.9")),
        (b"::agentflow progress=nan::", None),
        (b"::agentflow progress=1e999::", None),
        (b"::agentflow progress=..::", None),
        (b"::agentflow ::", None),
        (b"::agentflow message=\xff\x00::", Progress(message="\ufffd")),
    ],
)
def test_progress_line(line: bytes, progress: Progress | None) -> None:
    assert parse_progress(line) == progress


@given(st.binary(max_size=100))
def test_no_output_of_a_task_raises(inside: bytes) -> None:
    progress = parse_progress(b"::agentflow " + inside + b"::")

    assert progress is None or progress.fraction is None or 0 <= progress.fraction <= 1
