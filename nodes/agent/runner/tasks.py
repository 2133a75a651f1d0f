"""The attempts on this node: live ones, and ended ones as long as their folder exists."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict

from nodes.agent.runner.attempt import Attempt
from nodes.agent.runner.config import RunnerConfig
from nodes.agent.runner.emit import Emit
from nodes.agent.runner.leftovers import end_unreadable, remove_cgroup
from nodes.agent.runner.resolve import Launch
from nodes.agent.runner.retention import RetiredAttempt, outdated
from nodes.agent.runner.shim_link import ShimLink, Shims
from nodes.agent.runner.task_folder import TaskFolder, attempt_key
from nodes.domain.commands import StartTask
from nodes.domain.events import TaskStatus
from nodes.domain.running import RunningTask
from nodes.domain.states import TaskState

logger = logging.getLogger(__name__)

Work = Callable[[], Coroutine[None, None, None]]
Spawn = Callable[[Work, str], None]


class Tasks:
    """`spawn` runs `Attempt.follow` in the runner's task group."""

    def __init__(
        self,
        config: RunnerConfig,
        *,
        emit: Emit,
        journal_id: Callable[[], str],
        logs_cursor: Callable[[str], int],
        forget_cursor: Callable[[str], Awaitable[object]],
        spawn: Spawn,
    ) -> None:
        self.config = config
        self._emit = emit
        self._journal_id = journal_id
        self._logs_cursor = logs_cursor
        self._forget_cursor = forget_cursor
        self._spawn = spawn
        self._shims = Shims()
        self._attempts: dict[str, Attempt] = {}
        self._starting: set[str] = set()  # Keys that hold a slot before their Attempt exists.

    def get(self, task_id: str, attempt: int) -> Attempt | None:
        return self._attempts.get(attempt_key(task_id, attempt))

    def latest(self, task_id: str) -> Attempt | None:
        known = [attempt for attempt in self._attempts.values() if attempt.start.task_id == task_id]
        return max(known, key=lambda attempt: attempt.start.attempt, default=None)

    def used_slots(self) -> int:
        return sum(not attempt.is_over for attempt in self._attempts.values()) + len(self._starting)

    def snapshot(self) -> tuple[TaskStatus, ...]:
        """Complete states, with the request, of every attempt whose end is not in the current journal."""
        states = (attempt.snapshot() for attempt in self._attempts.values())
        return tuple(status for status in states if status is not None)

    def running(self) -> list[RunningTask]:
        found = (attempt.running() for attempt in self._attempts.values())
        return [task for task in found if task is not None]

    def succeeded(self, task_id: str, number: int) -> bool:
        attempt = self.get(task_id, number)
        return attempt is not None and attempt.status.state is TaskState.SUCCEEDED

    async def start(self, start: StartTask, launch: Launch) -> Attempt:
        """The attempt, once its first state is in the journal. Raises OSError when the node cannot start tasks."""
        key = attempt_key(start.task_id, start.attempt)
        self._starting.add(key)
        try:
            folder = await asyncio.to_thread(TaskFolder.create, self.config.tasks_folder, start)
            link = await self._shims.start(folder, self._request(launch))
            attempt = self._attempt(folder, start, offset=0, link=link)
            self._attempts[key] = attempt
        finally:
            self._starting.discard(key)
        self._spawn(attempt.follow, key)
        await attempt.announced.wait()
        return attempt

    async def recover(self) -> None:
        """Finds every task that an earlier agent left: running, ended meanwhile, or lost.

        After that, `snapshot` is complete; nothing is reported to the parent before `follow_recovered`.
        """
        found: list[Coroutine[None, None, None]] = []
        for path in sorted(self.config.tasks_folder.iterdir()):
            folder = TaskFolder(path)
            if folder.is_half_removed:
                folder.discard()
                continue
            start = folder.request()
            if start is None and folder.is_claimed:
                # Nothing can be reported, so the Leader will call the task lost: it must not run on.
                logger.error("a task folder has a claim but no readable request, so its task is ended: %s", path)
                found.append(asyncio.to_thread(end_unreadable, path))
                continue
            if start is None:
                logger.warning("removing a task folder without a request: %s", path.name)
                folder.discard()
                continue
            key = attempt_key(start.task_id, start.attempt)
            offset = self._logs_cursor(key)
            attempt = self._attempt(folder, start, offset=offset)
            self._attempts[key] = attempt
            record = folder.exit_record()
            if record is not None:
                remove_cgroup(path)
            if record is not None and folder.reported_in() == self._journal_id():
                attempt.take_reported(record)
            else:
                found.append(attempt.recover())
                logger.info("found again", extra={"task_id": start.task_id, "attempt": start.attempt})
        await asyncio.gather(*found)

    def follow_recovered(self) -> None:
        for key, attempt in self._attempts.items():
            self._spawn(attempt.follow, key)

    async def report_again(self) -> None:
        """Reports again the ends that are not in the current journal."""
        for attempt in list(self._attempts.values()):
            await attempt.report_again()

    async def sweep(self) -> None:
        """Removes folders of completely reported tasks that are too old, too many or too large. Raises OSError."""
        retired = [
            RetiredAttempt(key=key, at=at, size=attempt.folder.output_size())
            for key, attempt in self._attempts.items()
            if attempt.handed_over.is_set() and (at := attempt.folder.reported_at()) is not None
        ]
        for key in outdated(retired, now=time.time(), config=self.config):
            folder = self._attempts[key].folder
            remove_cgroup(folder.path)
            await asyncio.to_thread(folder.remove)
            del self._attempts[key]
            # After the folder: in the other order, a crash in between would hand the output over again.
            await self._forget_cursor(key)

    def close(self) -> None:
        """Stops following the tasks; they keep running."""
        self._shims.close()

    def _attempt(self, folder: TaskFolder, start: StartTask, *, offset: int, link: ShimLink | None = None) -> Attempt:
        return Attempt(
            folder,
            start,
            emit=self._emit,
            journal_id=self._journal_id,
            offset=offset,
            redactor=self.config.secrets_of(start.spec.project).redactor(start.spec.environment),
            link=link,
        )

    def _request(self, launch: Launch) -> dict[str, object]:
        limits = self.config.limits
        return {
            **asdict(launch),
            "term_grace_seconds": self.config.term_grace_seconds,
            "lines_per_second": limits.lines_per_second,
            "bytes_per_second": limits.bytes_per_second,
            "burst_seconds": limits.burst_seconds,
            "output_limit_bytes": limits.total_bytes,
            "idle_flush_seconds": limits.idle_flush_seconds,
            "cgroup_parent": self.config.cgroup_parent,
        }
