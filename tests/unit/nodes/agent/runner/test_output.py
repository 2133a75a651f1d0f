from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from nodes.agent.runner.shim import frames
from nodes.agent.runner.shim.output import Output
from nodes.agent.runner.shim.rate import RateLimit


class Written:
    """An Output on a real file, with the time under the test's control."""

    def __init__(self, folder: Path, *, size_limit_bytes: int = 1 << 30, lines_per_second: float = 10.0) -> None:
        self.path = folder / "output.bin"
        rate = RateLimit(lines_per_second=lines_per_second, bytes_per_second=1e6, burst_seconds=1.0, now=0.0)
        self.output = Output(str(self.path), rate=rate, size_limit_bytes=size_limit_bytes, idle_flush_seconds=0.2)
        self._is_closed = False

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self.output.close(now=0.0, at_ms=0)

    def take(self, data: bytes, now: float = 0.0, kind: int = frames.STDOUT) -> None:
        self.output.take(kind, data, now=now, at_ms=int(now * 1000))

    def tick(self, now: float) -> None:
        self.output.tick(now=now, at_ms=int(now * 1000))

    def lines(self) -> list[tuple[int, int, bytes]]:
        found, size = frames.unpack(self.path.read_bytes(), max_frames=10_000)
        assert size == self.path.stat().st_size == self.output.size_bytes
        return [(kind, number, text) for kind, _, number, _, text in found]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    with closing(Written(tmp_path)) as written:
        yield written


def test_lines_are_numbered_over_both_streams(written: Written) -> None:
    written.take(b"a\n")
    written.take(b"b\n", kind=frames.STDERR)

    assert written.lines() == [(frames.STDOUT, 1, b"a"), (frames.STDERR, 2, b"b")]


def test_a_prompt_is_flushed_after_a_short_idle_time(written: Written) -> None:
    written.take(b"Name: ", now=1.0)
    assert written.output.deadline() == pytest.approx(1.2)
    written.tick(1.19)
    assert written.lines() == []

    written.tick(1.2)

    assert written.lines() == [(frames.STDOUT, 1, b"Name: ")]
    assert written.output.deadline() is None


def test_a_notice_replaces_suppressed_lines_in_place(written: Written) -> None:
    written.take(b"x\n" * 11)
    written.take(b"y\n" * 500)
    written.take(b"z\n" * 7, now=0.9)
    assert written.output.deadline() == 1.0
    written.tick(1.0)
    written.take(b"later\n", now=1.5)

    assert written.lines()[10:] == [
        (frames.STDOUT, 11, b"x"),
        (frames.SYSTEM, 12, b"507 lines suppressed"),
        (frames.STDOUT, 13, b"later"),
    ]
    assert written.output.suppressed_lines == 507


def test_progress_has_no_number(written: Written) -> None:
    written.take(b"a\n::agentflow progress=0.5::\nb\n::agentflow not closed\n")

    assert written.lines() == [
        (frames.STDOUT, 1, b"a"),
        (frames.PROGRESS, 0, b"::agentflow progress=0.5::"),
        (frames.STDOUT, 2, b"b"),
        (frames.STDOUT, 3, b"::agentflow not closed"),
    ]


def test_above_the_size_limit_lines_are_dropped_with_occasional_notices(tmp_path: Path) -> None:
    with closing(Written(tmp_path, size_limit_bytes=100, lines_per_second=1000.0)) as written:
        written.take(b"x" * 100 + b"\n")
        for second in range(1, 60):
            written.take(b"more\n", now=float(second))
            written.tick(float(second))
        assert len(written.lines()) == 1

        written.tick(200.0)

        assert written.lines()[1:] == [(frames.SYSTEM, 2, b"59 lines suppressed")]


def test_a_full_disk_only_drops_lines(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    written.take(b"before\n")
    real_write = os.write

    def torn(descriptor: int, data: bytes) -> int:
        if real_write(descriptor, data[:5]) == 5:
            raise OSError(28, "No space left on device")
        raise AssertionError

    monkeypatch.setattr(os, "write", torn)
    written.take(b"lost one\nlost two\n", now=0.1)
    monkeypatch.undo()
    written.tick(1.2)
    written.take(b"after\n", now=1.3)

    assert [text for _, _, text in written.lines()] == [b"before", b"2 lines suppressed", b"after"]


def test_the_last_line_needs_no_newline(written: Written) -> None:
    written.take(b"no end")
    written.close()

    assert written.lines() == [(frames.STDOUT, 1, b"no end")]


@pytest.mark.parametrize(
    "line",
    [
        b"::agentflow ::",
        b"::agentflow hello::",
        b"::agentflow progress=nan::",
        b"::agentflow progress=0.5 more::",
        b"::agentflow progress=0.5::x::",
        b"::agentflow message=::",
        b" ::agentflow progress=0.5::",
        b"::agentflow progress=0.5:: ",
        b"::agentflow message=" + b"x" * frames.LINE_CAP_BYTES + b"::",
    ],
)
def test_only_an_exact_marker_leaves_the_log(written: Written, line: bytes) -> None:
    written.take(line + b"\n")

    assert written.lines() == [(frames.STDOUT, 1, line[: frames.LINE_CAP_BYTES])]


def test_a_marker_begins_its_line_and_ends_it(written: Written) -> None:
    written.take(b"50 % ", now=1.0)
    written.tick(2.0)
    written.take(b"::agentflow progress=0.5::\n", now=2.0)
    written.take(b"::agentflow progress=0.5::", now=3.0)
    written.tick(4.0)
    written.take(b" or so\n", now=4.0)

    assert written.lines() == [
        (frames.STDOUT, 1, b"50 % "),
        (frames.STDOUT, 2, b"::agentflow progress=0.5::"),
        (frames.STDOUT, 3, b"::agentflow progress=0.5:: or so"),
    ]


def test_a_secret_does_not_end_a_marker(written: Written) -> None:
    written.take(b"::agentflow progress=0.5 message=password=hunter2::\n")

    assert written.lines() == [(frames.PROGRESS, 0, b"::agentflow progress=0.5 message=password=[redacted]::")]
    assert written.output.redacted == 1


def test_a_withheld_line_keeps_its_number(written: Written) -> None:
    written.take(b"a\n" + b"password=hunter2\r " * 500 + b"\nb\n")

    assert written.lines() == [
        (frames.STDOUT, 1, b"a"),
        (frames.STDOUT, 2, b"[withheld]"),
        (frames.STDOUT, 3, b"b"),
    ]
    assert written.output.withheld_lines == 1
