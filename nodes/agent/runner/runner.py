"""The service that runs tasks on a node. Stopping it stops no task: each belongs to its shim and is found again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial

from nodes.agent.runner.command_handler import CommandHandler
from nodes.agent.runner.command_log import CommandLog
from nodes.agent.runner.config import RunnerConfig
from nodes.agent.runner.emit import Emit
from nodes.agent.runner.tasks import Tasks, Work
from nodes.core.clock import Clock, SystemClock
from nodes.core.project_secrets import ProjectSecrets
from nodes.domain.commands import Command
from nodes.domain.events import Payload, Project, TaskStatus
from nodes.domain.running import RunningTask
from nodes.errors import AgentFlowError, StoreError
from nodes.stream.journal.errors import EntryTooLarge, JournalCorrupt
from nodes.waits import Backoff

logger = logging.getLogger(__name__)

_QUEUE_LIMIT = 1_000
_OPEN_LIMIT = 1_000


class Runner:
    """`emit` stores and sends a payload, `journal_id` returns the id of the current states journal, `logs_cursor` the
    committed offset of a task's output.
    """

    name = "runner"

    def __init__(
        self,
        config: RunnerConfig,
        *,
        emit: Emit,
        journal_id: Callable[[], str],
        logs_cursor: Callable[[str], int],
        forget_cursor: Callable[[str], Awaitable[object]],
        on_running: Callable[[], None] = lambda: None,
        clock: Clock | None = None,
    ) -> None:
        self._config = config
        self._emit_once = emit
        self._journal_id = journal_id
        self._on_running = on_running
        self._clock = clock or SystemClock()
        # When full, a command is not accepted, so not acknowledged, and the parent sends it again.
        self._commands: asyncio.Queue[tuple[Command, float]] = asyncio.Queue(maxsize=_QUEUE_LIMIT)
        # Commands being carried out, or whose result waits for the disk.
        self._open_commands = asyncio.Semaphore(_OPEN_LIMIT)
        self._children: set[asyncio.Task[None]] = set()
        self._tasks = Tasks(
            config,
            emit=self._emit,
            journal_id=journal_id,
            logs_cursor=logs_cursor,
            forget_cursor=forget_cursor,
            spawn=self._spawn,
        )
        self._handler: CommandHandler | None = None
        self._stop = asyncio.Event()
        self._is_prepared = False

    def submit(self, command: Command, received_mono: float) -> None:
        """Accepts a command; `received_mono` is its arrival on this node's clock. Returns at once."""
        try:
            self._commands.put_nowait((command, received_mono))
        except asyncio.QueueFull:
            logger.warning("too many commands at once: command not accepted", extra={"command_id": command.command_id})

    def running(self) -> list[RunningTask]:
        """The running tasks that have been reported; `on_running` is called when there may be a new one."""
        return self._tasks.running()

    def succeeded(self, task_id: str, attempt: int) -> bool:
        return self._tasks.succeeded(task_id, attempt)

    def reconfigure(
        self,
        *,
        slots: int,
        allow_commands: bool,
        projects: tuple[Project, ...],
        secrets: Mapping[str, ProjectSecrets],
    ) -> None:
        """For tasks that start from now on; those that run keep what they started with."""
        self._config = replace(
            self._config, slots=slots, allow_commands=allow_commands, projects=projects, secrets=secrets
        )
        self._tasks.config = self._config
        if self._handler is not None:
            self._handler.config = self._config

    def snapshot_tasks(self) -> tuple[TaskStatus, ...]:
        return self._tasks.snapshot()

    async def prepare(self) -> None:
        """Finds an earlier agent's tasks. Call it before connecting: until then `snapshot_tasks` is incomplete."""
        if not self._is_prepared:
            self._is_prepared = True
            self._config.tasks_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            await self._tasks.recover()

    def report_again(self) -> None:
        """The states journal was recreated; re-emit the entries that only the old one had."""
        if self._handler is not None and not self._stop.is_set():
            self._spawn(self._tasks.report_again, "tell-ends-again")
            self._spawn(self._handler.report_again, "tell-results-again")

    def request_stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        await self.prepare()
        handler = self._handler = CommandHandler(
            self._config,
            log=CommandLog(self._config.command_log_path),
            tasks=self._tasks,
            emit=self._emit,
            journal_id=self._journal_id,
            clock=self._clock,
        )
        try:
            self._tasks.follow_recovered()
            self._spawn(handler.settle, "settle")
            self._spawn(partial(self._serve, handler), "commands")
            self._spawn(partial(self._sweep, handler), "sweep")
            await self._stop.wait()
        finally:
            for child in self._children:
                child.cancel()
            await asyncio.gather(*self._children, return_exceptions=True)
            self._tasks.close()
            handler.close()

    async def _serve(self, handler: CommandHandler) -> None:
        while True:
            await self._open_commands.acquire()
            command, received_mono = await self._commands.get()
            self._spawn(partial(self._handle, handler, command, received_mono), f"command-{command.command_id}")

    async def _handle(self, handler: CommandHandler, command: Command, received_mono: float) -> None:
        try:
            await handler.handle(command, received_mono)
        finally:
            self._open_commands.release()

    async def _sweep(self, handler: CommandHandler) -> None:
        while True:
            try:
                await self._tasks.sweep()
                await handler.trim()
            except (StoreError, OSError) as error:
                logger.warning("old tasks and commands not removed, will retry later: %s", error)
            await asyncio.sleep(self._config.sweep_seconds)

    async def _emit(self, payload: Payload, *, cursor: tuple[str, int] | None = None, ephemeral: bool = False) -> None:
        """Retries until the payload is in the journal: a full disk delays a report but does not lose it."""
        backoff = Backoff()
        while True:
            try:
                await self._emit_once(payload, cursor=cursor, ephemeral=ephemeral)
            except EntryTooLarge as error:
                if not isinstance(payload, TaskStatus) or payload.request is None:
                    # Cannot be reported at all. Log batches are split well below the limit, so this is not output.
                    logger.error("dropped: %s", error, extra={"kind": type(payload).__name__})  # noqa: TRY400
                    return
                logger.warning("reported without the request: %s", error, extra={"task_id": payload.task_id})
                payload = replace(payload, request=None)
            except JournalCorrupt:
                raise  # Cannot recover: the process ends (`JournalGuard`), its tasks keep running.
            except (StoreError, OSError) as error:
                delay = backoff.next_delay()
                logger.warning("not journaled, next try in %.1f s: %s", delay, error)
                await asyncio.sleep(delay)
            else:
                if isinstance(payload, TaskStatus) and payload.state.is_live:
                    self._on_running()
                return

    def _spawn(self, work: Work, name: str) -> None:
        child = asyncio.create_task(self._guarded(work, name), name=name)
        self._children.add(child)
        child.add_done_callback(self._children.discard)

    async def _guarded(self, work: Work, name: str) -> None:
        """Keeps a failure in one task from affecting the others."""
        try:
            await work()
        except AgentFlowError as error:
            logger.error("%s: %s; the other tasks continue", name, error)  # noqa: TRY400 - expected failure
        except Exception:
            logger.exception("%s failed; the other tasks continue", name)
