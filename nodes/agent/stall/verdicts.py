"""Turns samples of a task into a verdict. Pure: times are passed in.

Progress is output, CPU or I/O of the whole process tree. A task without progress becomes quiet, then stalled; a task
with a process blocked reading the task's standard input is waiting for a person. Paused time does not count.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

from nodes.domain.phrases import Phrase, english, phrase
from nodes.domain.states import TaskHealth

_ACTIVE_SAMPLES = 5  # Two active ones among this many are progress for a stalled task; one may be a blip.
_LEFT_SAMPLES = 2  # After this many without a reader of standard input, the task is no longer waiting.
_FIRST_SAMPLES = 3  # No verdict before this many: a busy task that was just found again has no history.
_GAPS = 8
_STEADY_GAPS = 3
_STEADY_SPREAD = 2.0  # Longest gap over the median.
_PATIENCE = 3.0  # A silence of this many typical gaps breaks a steady rhythm.
_OWN_PATIENCE = 1.5  # Times the longest silence of an earlier successful run.
_MAX_PATIENCE = 10.0  # Times `stalled_seconds`: the maximum, so that no history makes a task immune.


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    quiet_seconds: float = 60.0
    stalled_seconds: float = 180.0
    waiting_seconds: float = 4.0
    cpu_share: float = 0.03  # Share of one core between two samples; less is housekeeping.
    written_bytes: int = 512
    read_bytes: int = 64 * 1024

    def with_stall_after(self, seconds: float) -> Limits:
        """The limits with the task's own stall limit; quiet is a third of it, as in the defaults."""
        if seconds <= 0:
            return self
        return Limits(
            quiet_seconds=min(self.quiet_seconds, seconds / 3),
            stalled_seconds=seconds,
            waiting_seconds=min(self.waiting_seconds, seconds),
            cpu_share=self.cpu_share,
            written_bytes=self.written_bytes,
            read_bytes=self.read_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """`at` in seconds; CPU and I/O since the previous sample."""

    at: float
    output_bytes: int = 0  # In total.
    cpu_seconds: float = 0.0
    read_bytes: int = 0
    written_bytes: int = 0
    readers: tuple[str, ...] = ()  # Processes blocked reading the task's standard input.
    processes: int = 1
    is_paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Statistics of earlier successful runs of the same task on this node."""

    longest_silence: float = 0.0
    usual_seconds: float = 0.0  # 0 = unknown.


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    health: TaskHealth
    reason: str
    parts: tuple[Phrase, ...] = ()  # The reason as data, if it needs a person's attention.
    silent_seconds: float


class Judge:
    """The judge of one task. `silent_before`: how long it had been silent when the watch began."""

    def __init__(self, limits: Limits, *, past: Past | None = None, silent_before: float = 0.0) -> None:
        self._limits = limits
        self._past = past or Past()
        self._health = TaskHealth.HEALTHY
        self._silent_before = silent_before
        self._samples = 0
        self._now = 0.0  # Time since the watch began, without pauses.
        self._last: Sample | None = None
        self._progress_at = -silent_before
        self._output_at: float | None = None
        self._reading_since: float | None = None
        self._without_reader = 0
        self._active: deque[bool] = deque(maxlen=_ACTIVE_SAMPLES)
        self._gaps: deque[float] = deque(maxlen=_GAPS)
        self._longest_silence = 0.0

    @property
    def is_settled(self) -> bool:
        """Whether it has watched long enough for a verdict without knowing the time before."""
        return self._samples >= _FIRST_SAMPLES and self._now >= self._limits.waiting_seconds

    @property
    def longest_silence(self) -> float:
        """The longest silence so far, not counting waits for a person."""
        if self._health is TaskHealth.WAITING:
            return self._longest_silence
        return max(self._longest_silence, self._now - max(0.0, self._progress_at))

    def take(self, sample: Sample) -> Verdict:
        """The verdict as of this sample."""
        last, self._last = self._last, sample
        self._samples += 1
        if sample.is_paused or (last is not None and last.is_paused):
            self._reading_since = None
            if sample.is_paused:
                self._health = TaskHealth.HEALTHY
                return Verdict(health=self._health, reason="the task is paused", silent_seconds=0.0)
            self._progress_at = self._now
            last = None
        elapsed = sample.at - last.at if last is not None else 0.0
        self._now += elapsed
        grew = last is not None and sample.output_bytes > last.output_bytes
        self._note_progress(sample, grew=grew, elapsed=elapsed)
        self._note_reader(sample, grew=grew)
        if self._samples >= _FIRST_SAMPLES or grew:
            self._health = self._judged()
        silent = max(0.0, self._now - self._progress_at)
        parts = self._parts(sample, silent)
        reason = english(parts) if parts else self._reason(silent)
        return Verdict(health=self._health, reason=reason, parts=parts, silent_seconds=silent)

    def _note_progress(self, sample: Sample, *, grew: bool, elapsed: float) -> None:
        limits = self._limits
        is_active = elapsed > 0 and (
            sample.cpu_seconds >= limits.cpu_share * elapsed
            or sample.written_bytes >= limits.written_bytes
            or sample.read_bytes >= limits.read_bytes
        )
        self._active.append(is_active)
        if grew:
            if self._output_at is not None:
                self._gaps.append(self._now - self._output_at)
            self._output_at = self._now
        needed = 2 if self._health is TaskHealth.STALLED else 1
        if grew or (is_active and sum(self._active) >= needed):
            if self._health is not TaskHealth.WAITING:
                self._longest_silence = self.longest_silence
            self._progress_at = self._now

    def _note_reader(self, sample: Sample, *, grew: bool) -> None:
        if sample.readers:
            self._without_reader = 0
            # Other processes may work while one reads; a single busy moment does not end a reported wait.
            is_busy = self._active[-1] and (self._health is not TaskHealth.WAITING or sum(self._active) > 1)
            if self._reading_since is None or grew or is_busy:
                self._reading_since = self._now
            return
        self._without_reader += 1
        if self._reading_since is None:
            return
        if grew or self._without_reader >= _LEFT_SAMPLES:
            if self._health is TaskHealth.WAITING:
                self._progress_at = self._now  # The input arrived: the silence starts again.
            self._reading_since = None

    def _judged(self) -> TaskHealth:
        if self._reading_since is not None and self._now - self._reading_since >= self._limits.waiting_seconds:
            return TaskHealth.WAITING
        silent = self._now - self._progress_at
        patience = self._patience()
        if silent >= max(self._limits.stalled_seconds, patience):
            return TaskHealth.STALLED
        if silent >= max(self._limits.quiet_seconds, patience):
            return TaskHealth.QUIET
        return TaskHealth.HEALTHY

    def _patience(self) -> float:
        """How long a silence is normal for this task."""
        learnt = self._past.longest_silence * _OWN_PATIENCE
        if len(self._gaps) >= _STEADY_GAPS and max(self._gaps) <= _STEADY_SPREAD * median(self._gaps):
            learnt = max(learnt, max(self._gaps) * _PATIENCE)
        return min(learnt, self._limits.stalled_seconds * _MAX_PATIENCE)

    def _parts(self, sample: Sample, silent: float) -> tuple[Phrase, ...]:
        if self._health is TaskHealth.WAITING:
            who = ", ".join(sample.readers)
            return (phrase("waiting", readers=who) if who else phrase("waiting-somehow"),)
        if self._health is TaskHealth.STALLED:
            return (phrase("stalled", seconds=f"{silent:.0f}"), *self._usually())
        return ()

    def _reason(self, silent: float) -> str:
        if self._health is TaskHealth.QUIET:
            return f"quiet for {silent:.0f} s; stalled from {self._limits.stalled_seconds:g} s"
        return (
            "the task is making progress" if silent < self._limits.quiet_seconds else "silent, as usual for this task"
        )

    def _usually(self) -> tuple[Phrase, ...]:
        usual = self._past.usual_seconds
        return (phrase("usual-end", seconds=f"{usual:.0f}"),) if usual else ()
