"""Carries a plan out through the scheduler and waits for its outcome in the messages that it publishes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chat.actions import RESULTING, UNCHANGED_CODES
from chat.ports import Fleet
from chat.states import CallState
from chat.tools.fleet import brief_task
from chat.tools.tool import Plan
from chat.untrusted import marked
from chat.watch import Following, Message, Watch
from nodes import selectors
from nodes.database_threads import DatabaseThreads
from nodes.domain.commands import TaskSpec
from nodes.domain.states import Action, CommandState, TaskState
from nodes.errors import AgentFlowError, NotFound, TaskRejected

# A command times out after 60 s; its outcome is pushed.
_COMMAND_SECONDS = 75.0
# The task's new state and the command's outcome arrive in either order.
_STATE_SECONDS = 5.0
_START_SECONDS = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    state: CallState
    result: dict[str, Any]

    @property
    def is_error(self) -> bool:
        return self.state is not CallState.DONE


class Effects:
    def __init__(self, fleet: Fleet, watch: Watch, threads: DatabaseThreads) -> None:
        self._fleet = fleet
        self._watch = watch
        self._threads = threads

    async def carry_out(
        self, plan: Plan, *, command_ids: Callable[[int], str], actor: str, may_run_commands: bool
    ) -> Effect:
        """Runs the plan. Errors of the fleet become an effect, never an exception. Idempotent for the same ids.

        `may_run_commands`: `actor` has this right, if the plan needs it.
        """
        if plan.spec is not None:
            return await self._submit(plan.spec, command_ids(0), actor)
        if plan.action is None:
            raise AssertionError("a plan has an action or a new task")
        effects = [
            await self._control(task_id, plan, command_ids(number), actor, may_run_commands)
            for number, task_id in enumerate(plan.task_ids)
        ]
        return effects[0] if len(effects) == 1 else _together(effects)

    async def _control(self, task_id: str, plan: Plan, command_id: str, actor: str, may_run_commands: bool) -> Effect:
        action = plan.action
        if action is None:
            raise AssertionError("only for plans with an action")
        text = f"{plan.input}\n".encode() if action is Action.INPUT else b""
        with self._watch.follow(f"command:{command_id}") as command, self._watch.follow(f"task:{task_id}") as task:
            try:
                await self._fleet.control(
                    task_id,
                    action,
                    actor=actor,
                    input=text,
                    command_id=command_id,
                    may_run_commands=may_run_commands,
                )
            except TaskRejected as exc:
                if exc.code in UNCHANGED_CODES:
                    return Effect(state=CallState.DONE, result={"changed": False, **await self._task(task_id)})
                return await self._refused(exc.code, exc.message, task_id)
            except NotFound as exc:
                return Effect(state=CallState.FAILED, result={"error": str(exc)})
            except AgentFlowError as exc:
                return Effect(state=CallState.UNKNOWN, result={"error": str(exc)})
            ended = await command.until(_is_final, _COMMAND_SECONDS)
            return await self._ended(ended, action, task_id, task)

    async def _ended(self, ended: Message | None, action: Action, task_id: str, task: Following) -> Effect:
        outcome = CommandState(ended["command"]["state"]) if ended is not None else CommandState.UNKNOWN
        result: dict[str, Any] = {"command": str(outcome)}
        if ended is not None and ended["command"]["message"]:
            result["said"] = marked("command result", ended["command"]["message"], 500)
        if outcome is CommandState.SUCCEEDED:
            await self._settled(action, task_id, task)
        states = {CommandState.SUCCEEDED: CallState.DONE, CommandState.UNKNOWN: CallState.UNKNOWN}
        return Effect(state=states.get(outcome, CallState.FAILED), result={**result, **await self._task(task_id)})

    async def _settled(self, action: Action, task_id: str, task: Following) -> None:
        """Waits until the task has the state that the action leads to, or until a timeout."""
        known = (await self._task(task_id)).get("task")
        if known is None or known["state"] in RESULTING[action]:
            return
        await task.until(lambda message: message["task"]["state"] in RESULTING[action], _STATE_SECONDS)

    async def _submit(self, spec: TaskSpec, task_id: str, actor: str) -> Effect:
        # Short, because people may have to type it.
        task_id = task_id[:16]
        with self._watch.follow(f"task:{task_id}") as task:
            try:
                await self._fleet.submit(spec, actor=actor, task_id=task_id)
            except TaskRejected as exc:
                return Effect(state=CallState.FAILED, result={"error": exc.message, "code": exc.code})
            except AgentFlowError as exc:
                return Effect(state=CallState.UNKNOWN, result={"error": str(exc)})
            await task.until(
                lambda message: message["task"]["state"] not in (TaskState.PENDING, TaskState.DISPATCHED),
                _START_SECONDS,
            )
        return Effect(state=CallState.DONE, result=await self._task(task_id))

    async def _refused(self, code: str, message: str, task_id: str) -> Effect:
        found = await self._task(task_id)
        return Effect(state=CallState.FAILED, result={"error": message, "code": code, **found})

    async def _task(self, task_id: str) -> dict[str, Any]:
        try:
            return {"task": brief_task(await self._threads.read(lambda: selectors.task_detail(task_id)))}
        except NotFound:
            return {}  # Pruned in the meantime, or never stored.


def _is_final(message: Message) -> bool:
    return CommandState(message["command"]["state"]).is_final or message["command"]["state"] == CommandState.UNKNOWN


def _together(effects: list[Effect]) -> Effect:
    states = {effect.state for effect in effects}
    worst = next(
        (state for state in (CallState.UNKNOWN, CallState.FAILED) if state in states),
        CallState.DONE,
    )
    return Effect(state=worst, result={"results": [effect.result for effect in effects]})
