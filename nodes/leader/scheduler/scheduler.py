"""The scheduler's loop: woken by events, it assigns waiting tasks to nodes, sends commands and expires old ones.

Nothing is polled: the projection wakes it when a slot, a node or a request appears, and one timer waits for the next
expiry.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from nodes.domain.commands import TaskSpec
from nodes.domain.phrases import english, phrase
from nodes.domain.states import CommandState, Role, TaskState
from nodes.errors import StoreError
from nodes.leader.projection.commands import expire, settle, wire_command
from nodes.leader.projection.epoch import Epoch
from nodes.leader.projection.projection import Projection
from nodes.leader.projection.retirement import retire
from nodes.leader.projection.tasks import end_attempt
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.leader.scheduler.definitions import projects_of
from nodes.leader.scheduler.policy import Assignment, Decision, Impossible, Waiting, Worker, decide
from nodes.leader.scheduler.requests import ControlRequest, control_task, create_task, start_attempt
from nodes.models import Command, Node
from nodes.stream.wire.v1 import node_sync_pb2 as pb

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_REASON_CHARACTERS = 200

Send = Callable[[str, pb.LeaderCommand], bool]  # Node id of the stream, message → False if there is no stream.


class Scheduler:
    """A service; `nodes.services` and the gateway call `submit` and `control`."""

    name = "scheduler"

    def __init__(self, projection: Projection, *, epoch: Epoch, send: Send) -> None:
        self._projection = projection
        self._epoch = epoch
        self._send = send
        self._woken = asyncio.Event()
        self._is_stopping = False
        projection.on_wake(self._woken.set)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._woken.set()
        timer: asyncio.TimerHandle | None = None
        try:
            while not self._is_stopping:
                await self._woken.wait()
                self._woken.clear()
                if timer is not None:
                    timer.cancel()
                try:
                    delay = await self._projection.write(self._plan)
                except StoreError as exc:
                    logger.warning("cannot schedule: %s", exc)
                    delay = _RETRY_SECONDS
                timer = loop.call_later(delay, self._woken.set) if delay is not None else None
        finally:
            if timer is not None:
                timer.cancel()

    def request_stop(self) -> None:
        self._is_stopping = True
        self._woken.set()

    async def submit(self, spec: TaskSpec, *, actor: str, task_id: str = "") -> str:
        """The new task's id, once it is stored; idempotent by `task_id`. Raises `TaskRejected`, `StoreError`."""
        stored_id = await self._projection.write(lambda unit: create_task(unit, spec, actor=actor, task_id=task_id).id)
        logger.info("task %s submitted by %s", stored_id, actor or "nobody")
        return stored_id

    async def control(self, request: ControlRequest) -> str:
        """The command's id, once it is stored; COMMAND reports its outcome. Raises `TaskRejected`, `NotFound`."""

        def ask(unit: UnitOfWork) -> str:
            command = control_task(unit, request)
            if command.created_at == unit.now:  # Otherwise a repeated request: it is already being sent.
                self._send_after_commit(unit, command)
            unit.wakes_scheduler = True  # A timer may be needed.
            return command.id

        command_id = await self._projection.write(ask)
        logger.info("task %s: %s requested by %s", request.task_id, request.action, request.actor or "nobody")
        return command_id

    async def acknowledge(self, alert_id: int, *, actor: str, seen: str = "") -> None:
        """Returns once it is stored; an ALERT message reports it. Raises `NotFound`, `TaskRejected`, `StoreError`."""
        await self._projection.write(lambda unit: unit.acknowledge_alert(alert_id, actor=actor, seen=seen))
        logger.info("alert %s acknowledged by %s", alert_id, actor or "nobody")

    async def retire(self, node_id: str, *, actor: str) -> bool:
        """Retires a node; False if it was retired before. Raises `NotFound`, `TaskRejected`, `StoreError`."""
        is_new = await self._projection.write(lambda unit: retire(unit, node_id))
        logger.info("node %s retired by %s", node_id, actor or "nobody")
        return is_new

    # --- one round, on the writer's thread --------------------------------------------------------

    def _plan(self, unit: UnitOfWork) -> float | None:
        """Returns the seconds until the next round is needed; None if only an event can require one."""
        self._end_expired(unit)
        self._send_waiting(unit)
        tasks = list(unit.cache.pending.values())
        if tasks:
            waiting = [
                Waiting(
                    task_id=task.id,
                    target=task.target_node,
                    project=task.project,
                    named_task=task.spec.get("named_task", ""),
                )
                for task in tasks
            ]
            workers = [_worker(unit, node) for node in unit.cache.nodes.values() if node.role != Role.LEADER]
            for decision in decide(waiting, workers):
                self._carry_out(unit, decision)
        unit.wakes_scheduler = False  # This round has already handled its own changes.
        return self._next_delay(unit)

    def _carry_out(self, unit: UnitOfWork, decision: Decision) -> None:
        task = unit.cache.pending[decision.task_id]
        attempt = unit.cache.attempt(task.id, task.attempt)
        if attempt is None:
            raise AssertionError("a pending task has an attempt")
        if isinstance(decision, Assignment):
            self._send_after_commit(unit, start_attempt(unit, task, attempt, decision.node_id))
        elif isinstance(decision, Impossible):
            logger.warning("task %s can never run: %s", task.id, english([decision.reason]))
            end_attempt(unit, attempt, TaskState.FAILED, parts=[phrase("never-runs"), decision.reason])
        elif task.pending_parts != (parts := [decision.reason]):
            reason = english([decision.reason])[:_REASON_CHARACTERS]
            unit.change_task(task, pending_reason=reason, pending_parts=parts)
            unit.publish_task(task)

    def _send_after_commit(self, unit: UnitOfWork, command: Command) -> None:
        """Sends the command right after the commit, never before."""
        if command.state != CommandState.SENT:
            return
        stream = unit.cache.stream_of(command.node)
        message = wire_command(unit, command, epoch=self._epoch.value)
        undelivered = unit.cache.undelivered

        def send() -> None:
            if not self._send(stream, message):
                # The stream has just ended. The command is sent with the next one, or provably never.
                undelivered.add(message.command_id)

        unit.after_commit.append(send)

    def _end_expired(self, unit: UnitOfWork) -> None:
        for command in list(unit.cache.commands.values()):
            if unit.seconds_left(command) <= 0:
                was_sent = command.state != CommandState.PENDING and command.id not in unit.cache.undelivered
                expire(unit, command, was_sent=was_sent)
                unit.cache.undelivered.discard(command.id)

    def _send_waiting(self, unit: UnitOfWork) -> None:
        """Sends commands for nodes that are reachable again, if no new stream has already sent them."""
        for command in list(unit.cache.commands.values()):
            # A node may get its Welcome before it counts as online: commands stored in between are still waiting.
            waits = command.state == CommandState.PENDING and unit.cache.is_reachable(command.node)
            again = command.state == CommandState.SENT and command.node in unit.cache.returned
            if waits:
                settle(unit, command, CommandState.SENT)
            if waits or again:
                unit.cache.undelivered.discard(command.id)
                self._send_after_commit(unit, command)
        unit.cache.returned.clear()

    def _next_delay(self, unit: UnitOfWork) -> float | None:
        delays = [
            unit.seconds_left(command)
            for command in unit.cache.commands.values()
            if command.state != CommandState.ACKED or _is_base(unit, command.node)
        ]
        delays += [until - unit.mono for until in unit.cache.resting.values() if until > unit.mono]
        return max(0.0, min(delays)) + 0.01 if delays else None


def _worker(unit: UnitOfWork, node: Node) -> Worker:
    return Worker(
        node_id=node.id,
        is_online=unit.cache.is_reachable(node.id),
        slots=node.slots,
        occupied=len(unit.cache.occupying[node.id]),
        is_resting=unit.cache.resting.get(node.id, 0.0) > unit.mono,
        allows_commands=bool(node.capabilities.get("allowsCommands")),
        is_base=node.is_base_client,
        projects=projects_of(node),
        has_reported=node.is_base_client or bool(node.capabilities),
    )


def _is_base(unit: UnitOfWork, node_id: str) -> bool:
    node = unit.cache.nodes.get(node_id)
    return node is not None and node.is_base_client
