"""Parses the person's own sentence by rules: for the policy, whatever the engine, and for the offline engine."""

from __future__ import annotations

from typing import Any

from chat import interpret
from chat.contexts import ANY, Context
from chat.interpret import Outcome, Reading, World
from chat.policy import RequestedAction
from nodes import selectors
from nodes.domain.states import TaskState

_LIVE_STATES = tuple(str(state) for state in TaskState if not state.is_final)
_LIVE_TASKS = 500
_ENDED_TASKS = 50


def understand(text: str, context: Context, *, last_task: str = "") -> Reading:
    """The reading is certain only if every word is known: an unknown word could reverse the meaning."""
    interpret_context = interpret.Context(focus_node="" if context.node == ANY else context.node, last_task=last_task)
    return interpret.interpret(text, _world(context), interpret_context)


def _world(context: Context) -> World:
    """All nodes, and the tasks that words can refer to in this context."""
    live = selectors.task_list(state=_LIVE_STATES, limit=_LIVE_TASKS, **context.filters)["results"]
    ended = selectors.task_list(limit=_ENDED_TASKS, **context.filters)["results"]
    tasks = {task["id"]: task for task in [*live, *ended]}
    return World([node["id"] for node in selectors.node_list()], map(_task, tasks.values()))


def _task(message: dict[str, Any]) -> interpret.Task:
    node = message["node"] or message["targetNode"]
    return interpret.Task(id=message["id"], name=message["name"], node=node, state=message["state"])


def requested_action_of(text: str, context: Context) -> RequestedAction | None:
    """The one action on one task that the sentence certainly asks for; None for anything else."""
    found = understand(text, context)
    if found.outcome is not Outcome.EXECUTE or len(found.tasks) != 1:
        return None
    return RequestedAction(action=found.intent, task_id=found.tasks[0], text=text)
