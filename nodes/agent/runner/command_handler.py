"""Carries out commands: each takes effect at most once and is answered every time (docs/protocol.md, section 11)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar
from weakref import WeakValueDictionary

from nodes.agent.runner.attempt import Attempt
from nodes.agent.runner.command_log import CommandLog, Entry
from nodes.agent.runner.config import RunnerConfig
from nodes.agent.runner.emit import Emit
from nodes.agent.runner.resolve import resolve
from nodes.agent.runner.shim_link import LinkClosed
from nodes.agent.runner.tasks import Tasks
from nodes.core.clock import Clock
from nodes.domain.commands import Command, ControlTask, StartTask
from nodes.domain.events import CommandResult, TaskStatus
from nodes.domain.phrases import english, phrase
from nodes.domain.states import Action, CommandState, TaskState
from nodes.errors import StoreError, TaskRejected
from nodes.waits import Backoff, wait_at_most

logger = logging.getLogger(__name__)

T = TypeVar("T")

_MAX_INPUT_BYTES = 64 * 1024
_MESSAGE_CAP = 500
_END_FOLLOWS_SECONDS = 3.0


class CommandHandler:
    def __init__(
        self,
        config: RunnerConfig,
        *,
        log: CommandLog,
        tasks: Tasks,
        emit: Emit,
        journal_id: Callable[[], str],
        clock: Clock,
    ) -> None:
        self.config = config
        self._log = log
        self._tasks = tasks
        self._emit = emit
        self._journal_id = journal_id
        self._clock = clock
        # One thread: SQLite's fsync must not block the loop, and the log allows one thread at a time.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="command-log")
        # Commands for one task keep their order: a cancel after a start waits for it. A lock exists while it is held or
        # waited for.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def handle(self, command: Command, received_mono: float) -> None:
        """Stores the intent, acts, then stores and reports the result."""
        try:
            known = await self._in_thread(lambda: self._log.begin(command, at_ms=self._clock.now_ms()))
        except StoreError as error:
            # Not carried out, because a repeat could then act twice. Reported at once: states have a disk reserve.
            logger.warning("command not carried out: %s", error, extra={"command_id": command.command_id})
            message = f"the node could not store the command, so it was not carried out: {error}"
            await self._emit(_failed(command.command_id, "disk", message))
            return
        if known is not None:
            await self._emit(known.result or _acked(command.command_id))
            return
        await self._emit(_acked(command.command_id))
        lock = self._locks.setdefault(command.body.task_id, asyncio.Lock())
        async with lock:
            result, attempt_to_end = await self._carry_out(command, received_mono)
        if attempt_to_end is not None:
            result = await self._cancelled(command.command_id, attempt_to_end)
        await self._finish(result)

    async def settle(self) -> None:
        """Reports results for commands that an earlier agent did not finish or report; repeats no action."""
        entries = await self._unreported()
        async with asyncio.TaskGroup() as group:
            for entry in entries:
                if entry.result is None:  # Concurrently: a cancel waits for its task's end.
                    group.create_task(self._settle_one(entry), name=f"settle-{entry.command_id}")
            await self._report_all(entries)

    async def report_again(self) -> None:
        """Reports again the results that are not in the current journal; running commands report their own."""
        await self._report_all(await self._unreported())

    async def trim(self) -> None:
        await self._in_thread(lambda: self._log.trim(now_ms=self._clock.now_ms()))

    def close(self) -> None:
        self._thread.shutdown()
        self._log.close()

    # -- acting ---------------------------------------------------------------------------------

    async def _carry_out(self, command: Command, received_mono: float) -> tuple[CommandResult, Attempt | None]:
        """The result; for an accepted cancel, also the attempt whose end decides it."""
        command_id, body = command.command_id, command.body
        waited = self._clock.mono() - received_mono
        if 0 < command.ttl_seconds < waited:
            message = f"it expired after {command.ttl_seconds:g} s, before it could run; it will not run"
            return _result(command_id, CommandState.EXPIRED, "expired", message), None
        if isinstance(body, StartTask):
            return await self._start(command_id, body), None
        attempt = self._tasks.latest(body.task_id)
        if attempt is None:
            return _failed(command_id, "no-such-task", "this node does not know the task"), None
        result = await self._control(command_id, attempt, body)
        is_cancelling = body.action is Action.CANCEL and result.state is CommandState.SUCCEEDED
        return result, attempt if is_cancelling else None

    async def _start(self, command_id: str, start: StartTask) -> CommandResult:
        if self._tasks.get(start.task_id, start.attempt) is not None:
            return _result(command_id, CommandState.SUCCEEDED, "repeated", "this attempt was started before")
        latest = self._tasks.latest(start.task_id)
        if latest is not None and not latest.is_over:
            return _failed(command_id, "busy", "an earlier attempt of this task still runs here")
        if self._tasks.used_slots() >= self.config.slots:
            return _failed(command_id, "busy", f"no free slot: {self.config.slots} of {self.config.slots} in use")
        try:
            start, launch = resolve(start, self.config)
            logger.info("task starts: %s", launch.argv[0], extra={"task_id": start.task_id, "attempt": start.attempt})
            attempt = await self._tasks.start(start, launch)
        except TaskRejected as error:
            return await self._refused(command_id, start, error)
        except OSError as error:
            why = phrase("node-error", error=str(error))
            return await self._refused(command_id, start, TaskRejected("node-error", english([why]), [why]))
        return _started(command_id, attempt)

    async def _refused(self, command_id: str, start: StartTask, why: TaskRejected) -> CommandResult:
        """Reports the refusal as the task's end too, so that nothing waits for a task that never starts."""
        logger.warning("task refused: %s", why, extra={"task_id": start.task_id, "attempt": start.attempt})
        await self._emit(
            TaskStatus(
                task_id=start.task_id,
                attempt=start.attempt,
                state=TaskState.FAILED,
                name=start.spec.name,
                project=start.spec.project,
                message=why.message,
                message_parts=why.parts,
                ended_at_ms=self._clock.now_ms(),
                request=start,
            )
        )
        return _failed(command_id, why.code, why.message)

    async def _control(self, command_id: str, attempt: Attempt, body: ControlTask) -> CommandResult:
        if attempt.is_over:
            # Not always "too late": a recreated log may have lost the record that this same command was done.
            return await self._judged(command_id, attempt, body.action, "")
        if body.action is Action.RETRY:
            return _failed(command_id, "bad-request", "a retry is a new start")
        if len(body.input) > _MAX_INPUT_BYTES:
            return _failed(command_id, "too-large", f"input is limited to {_MAX_INPUT_BYTES} bytes per command")
        logger.info("%s", body.action.value, extra={"task_id": body.task_id, "command_id": command_id})
        try:
            reply = await attempt.control(
                body.action,
                command_id=command_id,
                reason=body.reason,
                data=body.input,
                close_input=body.close_input,
            )
        except LinkClosed as error:
            return await self._after_lost_link(command_id, attempt, body.action, str(error))
        if reply["code"] == "finished":
            await attempt.reported.wait()
            return _too_late(command_id, attempt, body.action)
        state = CommandState.SUCCEEDED if reply["ok"] else CommandState.FAILED
        return _result(command_id, state, str(reply["code"]), str(reply["message"]))

    async def _after_lost_link(self, command_id: str, attempt: Attempt, action: Action, reason: str) -> CommandResult:
        """The supervisor exited during the request: because the task ended, or because it crashed."""
        # If no end arrives in time, the task's own records decide.
        await wait_at_most(attempt.reported, _END_FOLLOWS_SECONDS)
        return await self._judged(command_id, attempt, action, f"no answer from its supervisor: {reason}")

    async def _judged(self, command_id: str, attempt: Attempt, action: Action, otherwise: str) -> CommandResult:
        """Decides by the task's own records: its supervisor records every command before it acts."""
        is_lost = attempt.status.state is TaskState.LOST
        try:
            taken = await asyncio.to_thread(attempt.folder.recorded_commands)
        except OSError as error:
            return _result(command_id, CommandState.UNKNOWN, "unknown", f"cannot read the task's records: {error}")
        if command_id in taken:
            if is_lost:
                return _result(
                    command_id, CommandState.UNKNOWN, "unknown", "the task's supervisor crashed while carrying it out"
                )
            if action is Action.CANCEL:
                return await self._cancelled(command_id, attempt)
            return _result(command_id, CommandState.SUCCEEDED, message="done, according to the task's records")
        if attempt.is_over:
            return _too_late(command_id, attempt, action)
        return _failed(command_id, "interrupted", otherwise)

    async def _cancelled(self, command_id: str, attempt: Attempt) -> CommandResult:
        await attempt.settled.wait()
        # The end arrives at once if only leftover processes cannot be killed.
        await wait_at_most(attempt.reported, _END_FOLLOWS_SECONDS)
        if not attempt.is_over:  # It is cancelled once the kernel releases it, at an unknown time.
            return _failed(command_id, "unkillable", attempt.trouble)
        await attempt.reported.wait()
        status = attempt.status
        if status.state is TaskState.CANCELLED:
            return _result(command_id, CommandState.SUCCEEDED, message=status.message)
        return _failed(command_id, "finished", f"the task had already ended on its own ({status.state.value})")

    # -- after a restart ------------------------------------------------------------------------

    async def _unreported(self) -> list[Entry]:
        return await self._in_thread(lambda: self._log.unreported(journal_id=self._journal_id()))

    async def _report_all(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.result is not None:
                await self._report(entry.result)

    async def _settle_one(self, entry: Entry) -> None:
        task_id, number = entry.task_id, entry.attempt
        attempt = self._tasks.get(task_id, number) if number else self._tasks.latest(task_id)
        await self._finish(await self._settled(entry, attempt))

    async def _settled(self, entry: Entry, attempt: Attempt | None) -> CommandResult:
        command_id = entry.command_id
        if attempt is not None:
            await attempt.announced.wait()  # Only then is the task's state known.
        if entry.action == "start":
            if attempt is None:  # No folder: it never ran, so it may run elsewhere.
                return _result(command_id, CommandState.EXPIRED, "not-started", "the agent restarted; it will not run")
            return _started(command_id, attempt)
        if attempt is None:
            return _failed(command_id, "no-such-task", "this node does not know the task")
        return await self._judged(
            command_id, attempt, Action(entry.action), "the agent restarted before acting; try again"
        )

    async def _finish(self, result: CommandResult) -> None:
        store = partial(self._log.finish, result)
        try:
            await self._in_thread(store)
        except StoreError as error:
            # The command has taken effect: report that now, and store it in the log when there is room.
            logger.warning("result not stored: %s", error, extra={"command_id": result.command_id})
            await self._emit(result)
            await self._with_retries(store)
        await self._report(result)

    async def _report(self, result: CommandResult) -> None:
        await self._emit(result)
        await self._with_retries(partial(self._log.reported, result.command_id, journal_id=self._journal_id()))

    async def _with_retries(self, work: Callable[[], None]) -> None:
        backoff = Backoff()
        while True:
            try:
                return await self._in_thread(work)
            except StoreError as error:
                delay = backoff.next_delay()
                logger.warning("command log not written, next try in %.1f s: %s", delay, error)
                await asyncio.sleep(delay)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _acked(command_id: str) -> CommandResult:
    return CommandResult(command_id=command_id, state=CommandState.ACKED)


def _result(command_id: str, state: CommandState, code: str = "", message: str = "") -> CommandResult:
    return CommandResult(command_id=command_id, state=state, code=code, message=message[:_MESSAGE_CAP])


def _started(command_id: str, attempt: Attempt) -> CommandResult:
    """The result of a start whose attempt has reported its first state."""
    status = attempt.status
    if not attempt.is_over or status.pid:
        return _result(command_id, CommandState.SUCCEEDED)
    if status.state is TaskState.LOST:
        # Its supervisor crashed between the claim and the record of the root process.
        message = f"it is unknown whether it started: {status.message}"
        return _result(command_id, CommandState.UNKNOWN, "unknown", message)
    return _failed(command_id, "cannot-start", status.message)


def _too_late(command_id: str, attempt: Attempt, action: Action) -> CommandResult:
    """The result of a control on a task that has ended: failed, unless that end is what was requested."""
    state = attempt.status.state
    if action is Action.CANCEL and state is TaskState.CANCELLED:
        return _result(command_id, CommandState.SUCCEEDED, message="the task was already cancelled")
    return _failed(command_id, "finished", f"the task has already ended ({state.value})")


def _failed(command_id: str, code: str, message: str) -> CommandResult:
    return _result(command_id, CommandState.FAILED, code, message)
