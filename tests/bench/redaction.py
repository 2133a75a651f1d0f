"""The cost of the search for secrets in ordinary output, compared with the framing that every line needs anyway."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from nodes.agent.runner.shim import frames
from nodes.core.secrets import Redactor
from tests.bench.figures import Figure, at_most

LINES = [(b"2026-01-01 12:00:00 INFO step %d of the build took 12.5 ms" % number, 0) for number in range(2_000)]
ROUNDS = 50


def nanoseconds_a_line(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(ROUNDS):
        work()
    return (time.perf_counter() - start) / (ROUNDS * len(LINES)) * 1e9


def measure(folder: Path) -> list[Figure]:
    redactor = Redactor([b"canary-5f3a99", b"hunter2hunter2"])
    searched = nanoseconds_a_line(lambda: redactor.lines(1, LINES))
    framed = nanoseconds_a_line(lambda: b"".join([frames.pack(1, 0, 1, cut, text) for text, cut in LINES]))
    return [at_most("search for secrets, ordinary line", searched, "ns", times=2, floor=framed)]
