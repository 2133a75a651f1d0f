"""The judge with sequences of samples and the real thresholds."""

from __future__ import annotations

import pytest

from nodes.agent.stall.verdicts import Judge, Limits, Past, Sample
from nodes.domain.states import TaskHealth

H, Q, W, S = TaskHealth.HEALTHY, TaskHealth.QUIET, TaskHealth.WAITING, TaskHealth.STALLED


class Course:
    """Feeds a judge a sample every 2 s and keeps its health over time."""

    def __init__(self, judge: Judge | None = None) -> None:
        self.judge = judge or Judge(Limits())
        self.now = 1000.0
        self.output = 0
        self.seen: list[TaskHealth] = []
        self.reason = ""

    def go(self, seconds: float, *, every: float = 0, output: int = 0, **sample: object) -> Course:
        """`output` bytes grow at each sample, or with `every` only that often."""
        start = self.now
        while self.now < start + seconds:
            before, self.now = self.now, self.now + 2
            if not every or (before - start) // every != (self.now - start) // every:
                self.output += output
            verdict = self.judge.take(Sample(at=self.now, output_bytes=self.output, **sample))  # type: ignore[arg-type]
            self.reason = verdict.reason
            if not self.seen or self.seen[-1] is not verdict.health:
                self.seen.append(verdict.health)
        return self


READER = {"readers": ("sh (7)",)}
BUSY = {"cpu_seconds": 1.9}


@pytest.mark.parametrize(
    ("course", "seen"),
    [
        pytest.param(lambda c: c.go(58), [H], id="silent below quiet"),
        pytest.param(lambda c: c.go(100), [H, Q], id="quiet"),
        pytest.param(lambda c: c.go(200), [H, Q, S], id="stalled"),
        pytest.param(lambda c: c.go(900, **BUSY), [H], id="busy without output"),
        pytest.param(lambda c: c.go(900, written_bytes=4096), [H], id="writes a file"),
        pytest.param(lambda c: c.go(900, read_bytes=1 << 20), [H], id="reads a file"),
        pytest.param(lambda c: c.go(900, cpu_seconds=0.02), [H, Q, S], id="housekeeping is no progress"),
        pytest.param(lambda c: c.go(1200, every=100, output=9), [H, Q, H, Q, H, Q, H, Q, H], id="its own rhythm"),
        pytest.param(lambda c: c.go(6, **READER), [H, W], id="waiting"),
        pytest.param(lambda c: c.go(2, **READER).go(60), [H, Q], id="a short read is no wait"),
        pytest.param(lambda c: c.go(300, **READER, **BUSY), [H], id="a reader beside work"),
        pytest.param(lambda c: c.go(600, **READER), [H, W], id="waits however long"),
        pytest.param(lambda c: c.go(8, **READER).go(20, output=5), [H, W, H], id="answered"),
        pytest.param(lambda c: c.go(8, **READER).go(2).go(8, **READER), [H, W], id="missed once, still waiting"),
        pytest.param(lambda c: c.go(8, **READER).go(2, **READER, **BUSY).go(8, **READER), [H, W], id="a blip"),
        pytest.param(lambda c: c.go(200).go(2, **BUSY).go(20), [H, Q, S], id="a blip does not end a stall"),
        pytest.param(lambda c: c.go(200).go(8, **BUSY), [H, Q, S, H], id="work ends a stall"),
        pytest.param(lambda c: c.go(200).go(2, output=1), [H, Q, S, H], id="output ends a stall"),
        pytest.param(lambda c: c.go(500, is_paused=True).go(50), [H], id="a pause does not count"),
        pytest.param(lambda c: c.go(200).go(10, is_paused=True).go(50), [H, Q, S, H], id="a pause ends a stall"),
        pytest.param(lambda c: c.go(50, **BUSY).go(200), [H, Q, S], id="burst then silence"),
    ],
)
def test_course_of_verdicts(course, seen) -> None:
    assert course(Course()).seen == seen


def test_the_tasks_own_limit_also_lowers_the_quiet_limit() -> None:
    course = Course(Judge(Limits().with_stall_after(30)))
    assert course.go(12).go(10).go(10).seen == [H, Q, S]
    assert course.reason == "no output, CPU or I/O progress for 30 s"


def test_a_silence_as_in_earlier_runs_is_not_a_stall() -> None:
    learnt = Judge(Limits(), past=Past(longest_silence=300, usual_seconds=600))
    assert Course(learnt).go(440).seen == [H]
    assert Course(Judge(Limits(), past=Past(longest_silence=1e9))).go(1900).seen == [H, S], "the limit is capped"
    usual = Course(Judge(Limits(), past=Past(usual_seconds=600))).go(200)
    assert usual.reason.endswith("; usually ends after 600 s")


def test_a_broken_rhythm_is_a_stall() -> None:
    course = Course().go(400, every=40, output=5)
    assert course.seen == [H]
    assert course.go(200).seen == [H, Q, S]


def test_silence_before_the_task_was_found_again_counts() -> None:
    assert Course(Judge(Limits(), silent_before=500)).go(8).seen == [H, S]
    assert Course(Judge(Limits(), silent_before=500)).go(8, **BUSY).seen == [H]


def test_the_longest_silence_excludes_waits_for_a_person() -> None:
    course = Course().go(90).go(4, output=1)
    assert 86 <= course.judge.longest_silence <= 94
    course.go(400, **READER).go(10, output=5)
    assert course.judge.longest_silence < 100
