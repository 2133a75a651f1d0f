"""The service that judges the running tasks: samples each one every 2 s, and does nothing while no task runs."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from nodes.agent.stall.evidence import collect
from nodes.agent.stall.memory import RunMemory
from nodes.agent.stall.processes import Tree, reads_stdin
from nodes.agent.stall.verdicts import Judge, Limits, Sample, Verdict
from nodes.core.clock import Clock, SystemClock
from nodes.domain.events import Evidence, Metrics, StallAlert
from nodes.domain.running import RunningTask
from nodes.domain.states import TaskHealth
from nodes.errors import AgentFlowError
from nodes.waits import wait_at_most

logger = logging.getLogger(__name__)

_WINDOW = 30
_CONCERNS = (TaskHealth.WAITING, TaskHealth.STALLED)


@dataclass(slots=True)
class _Watched:
    task: RunningTask
    judge: Judge
    tree: Tree
    # What was reported to the parent; None = unknown, because an earlier agent reported it.
    reported: TaskHealth | None
    window: deque[tuple[Sample, Metrics | None]] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    reporting: asyncio.Task[None] | None = None


class StallWatch:
    """`running` returns the running tasks, `succeeded` whether an ended one succeeded; call `wake` on a new task."""

    name = "stall"

    def __init__(
        self,
        running: Callable[[], Sequence[RunningTask]],
        *,
        emit: Callable[[StallAlert], Awaitable[None]],
        memory: RunMemory,
        succeeded: Callable[[str, int], bool],
        metrics: Callable[[], Metrics | None] = lambda: None,
        limits: Limits | None = None,
        sample_seconds: float = 2.0,
        clock: Clock | None = None,
    ) -> None:
        self._running = running
        self._emit = emit
        self._memory = memory
        self._succeeded = succeeded
        self._metrics = metrics
        self._limits = limits or Limits()
        self._sample_seconds = sample_seconds
        self._clock = clock or SystemClock()
        self._watched: dict[tuple[str, int], _Watched] = {}
        self._awake = asyncio.Event()
        self._stop = asyncio.Event()

    def wake(self) -> None:
        self._awake.set()

    def request_stop(self) -> None:
        self._stop.set()
        self._awake.set()

    async def run(self) -> None:
        try:
            while not self._stop.is_set():
                await self._awake.wait()
                self._awake.clear()
                while self._look() and not self._stop.is_set():
                    await wait_at_most(self._stop, self._sample_seconds)
        finally:
            reporting = [entry.reporting for entry in self._watched.values() if entry.reporting is not None]
            for task in reporting:
                task.cancel()
            await asyncio.gather(*reporting, return_exceptions=True)

    def _look(self) -> bool:
        """Samples every task; False when none is running."""
        running = {(task.task_id, task.attempt): task for task in self._running()}
        for key in [key for key in self._watched if key not in running]:
            self._forget(key)
        for key, task in running.items():
            entry = self._watched.get(key) or self._begin(key, task)
            entry.task = task
            sample = self._sample(entry)
            entry.window.append((sample, self._metrics()))
            verdict = entry.judge.take(sample)
            if (
                verdict.health is not entry.reported
                and entry.reporting is None
                and (entry.reported is not None or entry.judge.is_settled)
            ):
                entry.reporting = asyncio.create_task(self._report(entry, verdict), name=f"stall-{task.task_id}")
        return bool(running)

    def _begin(self, key: tuple[str, int], task: RunningTask) -> _Watched:
        silent = 0.0
        if task.was_found:
            silent = max(0.0, time.time() - _last_written(task))
        judge = Judge(
            self._limits.with_stall_after(task.spec.stall_after_seconds),
            past=self._memory.past(task.spec),
            silent_before=silent,
        )
        reported = None if task.was_found else TaskHealth.HEALTHY
        entry = self._watched[key] = _Watched(task, judge, Tree(task.supervisor_pid), reported)
        return entry

    def _forget(self, key: tuple[str, int]) -> None:
        entry = self._watched.pop(key)
        if entry.reporting is not None:
            entry.reporting.cancel()
        if self._succeeded(*key):
            seconds = max(0.0, self._clock.now_ms() / 1000 - entry.task.started_at_ms / 1000)
            silence = entry.judge.longest_silence
            self._memory.add(entry.task.spec, seconds=seconds, longest_silence=silence)

    def _sample(self, entry: _Watched) -> Sample:
        task = entry.task
        processes, delta = entry.tree.sample()
        readers = tuple(f"{p.name} ({p.pid})" for p in processes if reads_stdin(p, task.stdin_inode))
        return Sample(
            at=self._clock.mono(),
            output_bytes=_size(task),
            cpu_seconds=delta.cpu_seconds,
            read_bytes=delta.read_bytes,
            written_bytes=delta.written_bytes,
            readers=readers,
            processes=len(processes),
            is_paused=task.is_paused,
        )

    async def _report(self, entry: _Watched, verdict: Verdict) -> None:
        """Reports the verdict; if that fails, the next sample with the same verdict retries."""
        try:
            evidence: tuple[Evidence, ...] = ()
            if verdict.health in _CONCERNS:
                evidence = await collect(entry.task, tuple(entry.window))
            alert = StallAlert(
                task_id=entry.task.task_id,
                verdict=verdict.health,
                reason=verdict.reason,
                reason_parts=verdict.parts,
                silent_seconds=round(verdict.silent_seconds, 1),
                evidence=evidence,
            )
            await self._emit(alert)
        except (AgentFlowError, OSError) as error:
            logger.warning("a verdict could not be reported: %s", error, extra={"task_id": entry.task.task_id})
        else:
            entry.reported = verdict.health
        finally:
            entry.reporting = None


def _size(task: RunningTask) -> int:
    try:
        return os.stat(task.output).st_size
    except OSError:
        return 0  # No output so far.


def _last_written(task: RunningTask) -> float:
    try:
        return os.stat(task.output).st_mtime
    except OSError:  # No output so far.
        return task.started_at_ms / 1000
