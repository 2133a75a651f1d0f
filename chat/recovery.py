"""Runs when the Leader starts: interrupts turns that were running, and settles their calls from the fleet's rows.

No call is executed again: a started call either has a row for its command, or was never sent.
"""

from __future__ import annotations

import json

from chat import store
from chat.models import ToolCall, Turn
from chat.phrases import TextOrPhrase, phrase
from chat.policy import Risk
from chat.states import CallState, TurnState
from chat.tools.registry import TOOLS
from nodes.domain.states import CommandState
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.models import Command, Task

_NEVER_SENT = phrase("refused.never-sent")


def settle_interrupted(unit: UnitOfWork) -> None:
    """Call it on the writer's thread before any turn runs."""
    for call in ToolCall.objects.filter(state=CallState.RUNNING).select_related("turn__conversation"):
        state, result = _outcome(call)
        store.finish_call(unit, call.id, state, result, is_error=state is not CallState.DONE)
    for turn in Turn.objects.filter(state=TurnState.RUNNING).select_related("conversation"):
        store.withdraw(unit, turn, TurnState.INTERRUPTED, phrase("refused.interrupted"))


def _outcome(call: ToolCall) -> tuple[CallState, TextOrPhrase]:
    tool = TOOLS.get(call.name)
    if tool is None or tool.plan is None or call.risk == Risk.READ:
        return CallState.FAILED, phrase("refused.read-again")
    plan = tool.plan(call.arguments)
    if plan.spec is not None:
        task = Task.objects.filter(id=store.command_id(call)[:16]).first()
        if task is None:
            return CallState.FAILED, _NEVER_SENT
        return CallState.DONE, json.dumps({"task": {"id": task.id, "state": task.state}})
    states = []
    for number, task_id in enumerate(plan.task_ids):
        command = Command.objects.filter(id=store.command_id(call, number)).first()
        states.append({"task": task_id, "command": command.state if command is not None else "never sent"})
    result = json.dumps({"interrupted": True, "results": states})
    sent = {entry["command"] for entry in states}
    if sent == {"never sent"}:
        return CallState.FAILED, _NEVER_SENT
    if sent == {str(CommandState.SUCCEEDED)}:
        return CallState.DONE, result
    is_open = sent & {CommandState.PENDING, CommandState.SENT, CommandState.ACKED, CommandState.UNKNOWN}
    return (CallState.UNKNOWN if is_open or CommandState.SUCCEEDED in sent else CallState.FAILED), result
