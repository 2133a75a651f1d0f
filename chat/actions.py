"""Describes plans as AgentFlow's own phrases, versions their targets, and lists the task states that mean success."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from chat.phrases import Phrase, phrase
from chat.tools.tool import Plan
from chat.untrusted import clean
from nodes.domain.states import Action, TaskState

_NAME_CHARACTERS = 80
_INPUT_CHARACTERS = 500

# The action worked if the task reaches one of these states.
RESULTING: Mapping[Action, frozenset[TaskState]] = {
    Action.PAUSE: frozenset({TaskState.PAUSED}),
    Action.RESUME: frozenset({TaskState.RUNNING}),
    Action.CANCEL: frozenset(state for state in TaskState if state.is_final),
    Action.RETRY: frozenset(TaskState) - {TaskState.PENDING, TaskState.DISPATCHED},
    Action.INPUT: frozenset(TaskState),
}
# Error codes that mean that the task was already in the requested state.
UNCHANGED_CODES = frozenset({"already-paused", "not-paused"})


def summary_of(plan: Plan, tasks: Sequence[Mapping[str, Any]]) -> Phrase:
    """The exact action, for the person who approves it."""
    if plan.spec is not None:
        return _summary_of_run(plan)
    if plan.action is None:
        raise AssertionError("a plan has an action or a new task")
    named = [name_of(task) for task in tasks]
    if plan.action is Action.INPUT:
        return phrase("act.input", task=named, input=clean(plan.input, _INPUT_CHARACTERS))
    return phrase(f"act.{plan.action}", task=named)


def _summary_of_run(plan: Plan) -> Phrase:
    spec = plan.spec
    if spec is None:
        raise AssertionError("asked only for new tasks")
    where = spec.node or phrase("act.any-node")
    if spec.named_task:
        return phrase("act.run", task=spec.named_task, project=spec.project, node=where)
    return phrase("act.command", command=shlex.join(spec.argv), node=where)


def name_of(task: Mapping[str, Any]) -> Phrase:
    """Name, id and node, so that the task is unambiguous."""
    where = task["node"] or task["targetNode"] or phrase("act.no-node")
    return phrase("act.task", name=clean(task["name"], _NAME_CHARACTERS), id=task["id"], node=where)


def version_of(states: Sequence[tuple[str, int, str, str]]) -> str:
    """Version of the targets, given as (id, attempt, state, node). An approval is valid only while it is unchanged.

    The row's own version does not work here: it changes with every progress report, which does not affect the decision.
    """
    return " ".join(f"{task_id}#{attempt}:{state}@{node}" for task_id, attempt, state, node in states)
