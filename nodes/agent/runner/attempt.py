"""The agent's side of one attempt at a task: follows the shim and reports its state to the parent.

The agent has no state of its own. Everything is in the task's folder or in the shim, so that the next agent reports
the same.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from nodes.agent.runner.emit import Emit
from nodes.agent.runner.environment import identity_variables
from nodes.agent.runner.leftovers import end_leftovers
from nodes.agent.runner.progress import Progress
from nodes.agent.runner.shim_link import LinkClosed, Message, ShimLink, connect
from nodes.agent.runner.tail import OutputTail
from nodes.agent.runner.task_folder import Record, TaskFolder, attempt_key
from nodes.core.secrets import Redactor
from nodes.domain.commands import StartTask, default_name
from nodes.domain.events import TaskStatus
from nodes.domain.phrases import english, from_stored, phrase
from nodes.domain.running import RunningTask
from nodes.domain.states import Action, TaskState
from nodes.waits import Backoff, wait_at_most

logger = logging.getLogger(__name__)

_BATCH_SECONDS = 0.02  # Between two reads of output that keeps growing.
_RECONNECT_SECONDS = 0.25
_LINK_SECONDS = 5.0
_PROGRESS_SECONDS = 0.5
_LAST_LINES_SECONDS = 1.0

_SHIM_STATES: Mapping[str, TaskState] = {"running": TaskState.RUNNING, "paused": TaskState.PAUSED}


class Attempt:
    """`follow` runs until the end and the complete output are in the journal."""

    def __init__(
        self,
        folder: TaskFolder,
        start: StartTask,
        *,
        emit: Emit,
        journal_id: Callable[[], str],
        offset: int,
        redactor: Redactor,
        link: ShimLink | None = None,
    ) -> None:
        self.folder = folder
        self.start = start
        self.key = attempt_key(start.task_id, start.attempt)
        self._status = TaskStatus(
            task_id=start.task_id,
            attempt=start.attempt,
            state=TaskState.DISPATCHED,
            name=redactor.hide(default_name(start.spec, start.task_id), is_command=True),
            project=start.spec.project,
            request=start,
        )
        self._redactor = redactor
        self._emit = emit
        self._journal_id = journal_id
        self._tail = OutputTail(
            folder.output,
            task_id=start.task_id,
            attempt=start.attempt,
            offset=offset,
            emit=emit,
            on_progress=self._take_progress,
        )
        self._link = link
        self._linked = asyncio.Event()
        if link is not None:
            self._linked.set()
        self._record: Record | None = None
        self._was_found = link is None
        self._supervisor_pid = 0
        self._stdin_inode = 0
        # The last state passed to the journal; set before the commit, so it is never older than the journal's.
        self._emitted: TaskStatus | None = None
        self.trouble = self._emitted_trouble = ""  # Why the task does not end. Its change is never mere progress.
        self._changed = asyncio.Event()
        self._grew = asyncio.Event()
        self._ended = asyncio.Event()
        self._emitting = asyncio.Lock()
        self.announced = asyncio.Event()  # The first state is in the journal.
        self.reported = asyncio.Event()  # The end is in a journal …
        self._reported_in = ""  # … the one with this id.
        self.settled = asyncio.Event()  # The end is in a journal, or no signal can end the task: see `trouble`.
        self.handed_over = asyncio.Event()  # The complete output is in the journal.

    @property
    def status(self) -> TaskStatus:
        return self._status

    @property
    def is_over(self) -> bool:
        return self._status.state.is_final

    def snapshot(self) -> TaskStatus | None:
        """The complete state, for a parent that may have lost it; None once the end is in the current journal."""
        if self._is_in_current_journal():
            return None
        status = self._emitted or self._status
        if status.state is TaskState.DISPATCHED:
            status = replace(status, state=TaskState.RUNNING)
        return replace(status, request=self.start)

    def running(self) -> RunningTask | None:
        """The task for the stall watch; None unless it is running and reported to the parent."""
        if not self._status.state.is_live or not self.announced.is_set():
            return None
        self._supervisor_pid = self._supervisor_pid or self.folder.supervisor_pid()
        return RunningTask(
            task_id=self.start.task_id,
            attempt=self.start.attempt,
            spec=self.start.spec,
            supervisor_pid=self._supervisor_pid,
            started_at_ms=self._status.started_at_ms,
            stdin_inode=self._stdin_inode,
            is_paused=self._status.state is TaskState.PAUSED,
            was_found=self._was_found,
            output=self.folder.output,
            last_lines=self._tail.last_lines,
            redactor=self._redactor,
        )

    async def recover(self) -> None:
        """Checks once what an earlier agent left: reads the end, or connects and reads the state."""
        await self._reconnect()
        if self._link is not None:
            async with asyncio.TaskGroup() as group:
                link = self._link
                reading = group.create_task(link.run(self._on_message), name=f"link-{self.key}")
                await self._ask_status(link)
                reading.cancel()
            self._link = None

    async def follow(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name=f"listen-{self.key}")
            group.create_task(self._hand_over_output(), name=f"tail-{self.key}")
            group.create_task(self._report(), name=f"report-{self.key}")

    def take_reported(self, record: Record) -> None:
        """Takes an end that is already in the current journal; part of the output may still be missing there."""
        self.announced.set()
        self._note_reported()
        self._end(record)

    async def report_again(self) -> None:
        """Reports the end again if it is only in an earlier journal: the parent may never have read it there."""
        async with self._emitting:
            if not self.reported.is_set() or self._is_in_current_journal():
                return
            await self._emit(replace(self._status, request=self.start))
            self._reported_in = self._journal_id()
        await self._mark_reported()

    async def control(
        self, action: Action, *, command_id: str, reason: str = "", data: bytes = b"", close_input: bool = False
    ) -> Message:
        """The shim's reply, once the resulting state is in the journal. Raises LinkClosed."""
        try:
            async with asyncio.timeout(_LINK_SECONDS):
                await self._linked.wait()
        except TimeoutError as error:
            raise LinkClosed("cannot reach the task's supervisor") from error
        assert self._link is not None
        reply = await self._link.request(
            action.value, command=command_id, reason=reason, input=data.hex(), close=close_input
        )
        await self._emit_change()
        return reply

    # -- messages from the shim -----------------------------------------------------------------

    async def _listen(self) -> None:
        while self._record is None:
            if self._link is None:
                await self._reconnect()
                continue
            self._linked.set()
            self._link.watch(self._tail.offset)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._link.run(self._on_message), name=f"link-{self.key}")
                group.create_task(self._ask_status(self._link), name=f"status-{self.key}")
            self._linked.clear()
            self._link = None

    async def _reconnect(self) -> None:
        """Makes a new link, or reads the task's end from its records; neither if it must be retried."""
        try:
            record = self.folder.exit_record()
            if record is None and not self.folder.has_supervisor():
                # It may have written its last record just before it exited.
                record = self.folder.exit_record() or await self._lost_record()
            if record is not None:
                self._end(record)
            else:
                self._link = await connect(self.folder)
        except OSError as error:
            # The shim is not listening yet or is exiting; or a full disk prevents a lost task's record.
            logger.debug("not linked: %s", error, extra={"task_id": self.start.task_id})
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _ask_status(self, link: ShimLink) -> None:
        try:
            await link.request("status")  # `_on_message` handles the reply.
        except LinkClosed:
            pass  # `_listen` notices the closed link too, and asks again.

    async def _lost_record(self) -> Record:
        """The exit record that the agent writes for a supervisor that is gone and left none."""
        if self.folder.abandon() or self.folder.was_abandoned:
            state, reasons = TaskState.FAILED, [self.folder.why_not_started()]
        else:
            state, reasons = TaskState.LOST, [self.folder.why_lost()]
            # Before the record: the next agent repeats this if the present one dies meanwhile.
            if not await asyncio.to_thread(end_leftovers, self.folder.path, identity_variables(self.start)):
                reasons.append(phrase("may-still-run"))
        record: Record = {
            "state": state.value,
            "reason": english(reasons),
            "reason_parts": reasons,
            "pid": (self.folder.started() or {}).get("pid", 0),
            "started_ms": self._status.started_at_ms,
            # The clock may have been changed since: an end is never before its start.
            "ended_ms": max(int(time.time() * 1000), self._status.started_at_ms),
        }
        self.folder.write_exit_record(record)
        return record

    def _on_message(self, message: Message) -> None:
        if "state" in message:
            self._take_status(message)
        event = message.get("event")
        if event == "grew":
            self._grew.set()
        elif event == "ended":
            self._end(message["record"])

    def _take_status(self, message: Mapping[str, Any]) -> None:
        if self.is_over:
            return
        self.trouble = str(message.get("trouble", ""))
        if self.trouble:
            self.settled.set()
        self._stdin_inode = int(message.get("stdin_inode") or 0)  # A supervisor of an earlier version sends none.
        self._status = replace(
            self._status,
            state=_SHIM_STATES[message["state"]],
            message=self.trouble or self._status.message,
            message_parts=from_stored(message.get("trouble_parts")) if self.trouble else self._status.message_parts,
            partial_pause=bool(message["partial"]),
            paused_seconds=float(message["paused_seconds"]),
            accepts_input=bool(message["accepts_input"]),
            suppressed_lines=int(message["suppressed"]),
            # A supervisor of an earlier version does not count these.
            redacted=int(message.get("redacted") or 0),
            withheld_lines=int(message.get("withheld") or 0),
            pid=int(message["pid"]),
            started_at_ms=int(message["started_ms"]),
        )
        self._changed.set()

    def _end(self, record: Record) -> None:
        if self.is_over:
            return
        self._record = record
        self._status = replace(
            self._status,
            state=TaskState(record["state"]),
            exit_code=record.get("exit_code"),
            message=str(record.get("reason") or ("" if self.trouble else self._status.message)),
            message_parts=from_stored(record.get("reason_parts")),
            started_at_ms=int(record.get("started_ms") or self._status.started_at_ms),
            ended_at_ms=int(record.get("ended_ms") or 0),
            cpu_seconds=float(record.get("cpu_seconds") or 0.0),
            peak_memory_bytes=int(record.get("peak_memory_bytes") or 0),
            paused_seconds=float(record.get("paused_seconds") or 0.0),
            suppressed_lines=int(record.get("suppressed_lines") or 0),
            redacted=int(record.get("redacted") or 0),
            withheld_lines=int(record.get("withheld_lines") or 0),
            pid=int(record.get("pid") or self._status.pid),
            accepts_input=False,
            partial_pause=False,
        )
        self._ended.set()
        self._changed.set()
        self._grew.set()

    # -- reports to the parent ------------------------------------------------------------------

    async def _report(self) -> None:
        if self.reported.is_set():
            return
        while not self.reported.is_set():
            await self._changed.wait()
            self._changed.clear()
            if self.is_over:
                # Report the last lines, which may explain the end, before the end, unless there are too many.
                await wait_at_most(self.handed_over, _LAST_LINES_SECONDS)
            await self._emit_change()
            # Progress changes all the time: report the newest twice a second. An end does not wait for that.
            await wait_at_most(self._ended, _PROGRESS_SECONDS)
        await self._mark_reported()
        logger.info(
            "task %s: %s",
            self._status.state.value,
            self._status.message or "done",
            extra={"task_id": self.start.task_id, "attempt": self.start.attempt},
        )

    def _note_reported(self) -> None:
        self._reported_in = self._journal_id()
        self.reported.set()
        self.settled.set()

    def _is_in_current_journal(self) -> bool:
        return self.reported.is_set() and self._reported_in == self._journal_id()

    async def _mark_reported(self) -> None:
        """Retries until the folder is marked: on a full disk, the rest of the output must still be handed over."""
        backoff = Backoff()
        while True:
            try:
                return self.folder.mark_reported(self._reported_in)
            except FileNotFoundError:
                return  # The folder expired and was removed meanwhile.
            except OSError as error:
                delay = backoff.next_delay()
                logger.warning("%s not marked as reported, next try in %.1f s: %s", self.key, delay, error)
                await asyncio.sleep(delay)

    async def _emit_change(self) -> None:
        """Emits one state at a time and only changes, so that states are in order in the journal."""
        async with self._emitting:
            status = self._status
            if self.reported.is_set() or status.state is TaskState.DISPATCHED or not _differs(status, self._emitted):
                return
            # The request is sent with the first state; after that the parent has it.
            emitted, self._emitted = self._emitted, status
            is_progress = (
                emitted is not None and _is_progress(status, emitted) and self.trouble == self._emitted_trouble
            )
            self._emitted_trouble = self.trouble
            await self._emit(status if emitted is None else replace(status, request=None), ephemeral=is_progress)
            self.announced.set()
            if status.state.is_final:
                self._note_reported()
                self._changed.set()  # `_report` may be waiting although a control has reported the end.

    def _take_progress(self, progress: Progress) -> None:
        """Accepts progress even after the task has ended: the end waits for the last lines, which may report 100%."""
        if self.reported.is_set():
            return
        fraction = self._status.progress if progress.fraction is None else progress.fraction
        has_reason = self._record is not None and bool(self._record.get("reason"))
        self._status = replace(self._status, progress=fraction)
        if progress.message and not has_reason:
            self._status = replace(self._status, message=progress.message, message_parts=())
        self._changed.set()

    async def _hand_over_output(self) -> None:
        while True:
            # Checked before reading, so that output written in between is not missed.
            ended = self._ended.is_set()
            self._grew.clear()
            if await self._tail.drain():
                await wait_at_most(self._ended, _BATCH_SECONDS)
                continue
            if ended:
                self.handed_over.set()
                self._tail.forget_lines()
                return
            if self._link is not None:
                self._link.watch(self._tail.offset)
            await self._grew.wait()


def _differs(status: TaskStatus, emitted: TaskStatus | None) -> bool:
    """Whether the change is worth reporting; other changes are sent with the next state."""
    if emitted is None:
        return True
    return not _is_progress(status, emitted) or (status.progress, status.message) != (emitted.progress, emitted.message)


def _is_progress(status: TaskStatus, emitted: TaskStatus) -> bool:
    """Whether only the progress has changed."""
    return (status.state, status.partial_pause, status.accepts_input) == (
        emitted.state,
        emitted.partial_pause,
        emitted.accepts_input,
    )
