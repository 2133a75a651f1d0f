"""Plans in words, the version of what they touch, and their effect. The words are AgentFlow's, never an engine's."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from chat.tools.tool import Plan
from chat.untrusted import clean
from nodes.domain.states import Action, TaskState

_NAME_CHARACTERS = 80
_INPUT_CHARACTERS = 500

_ON_ONE: Mapping[Action, str] = {
    Action.PAUSE: gettext_noop("Pause %(task)s"),
    Action.RESUME: gettext_noop("Resume %(task)s"),
    Action.CANCEL: gettext_noop("Cancel %(task)s"),
    Action.RETRY: gettext_noop("Retry %(task)s"),
    Action.INPUT: gettext_noop("Send “%(input)s” to %(task)s"),
}

# In which states a task is when the action has worked.
_LIVE = frozenset({TaskState.RUNNING, TaskState.PAUSED})
RESULTING: Mapping[Action, frozenset[TaskState]] = {
    Action.PAUSE: frozenset({TaskState.PAUSED}),
    Action.RESUME: frozenset({TaskState.RUNNING}),
    Action.CANCEL: frozenset(state for state in TaskState if state.is_final),
    Action.RETRY: frozenset(TaskState) - {TaskState.PENDING, TaskState.DISPATCHED},
    Action.INPUT: frozenset(TaskState),
}
# A command that says so found its work done.
UNCHANGED_CODES = frozenset({"already-paused", "not-paused"})


def summary_of(plan: Plan, tasks: Sequence[Mapping[str, Any]]) -> str:
    """The exact action, for the person who decides. In the language that is active."""
    if plan.spec is not None:
        return _summary_of_run(plan)
    if plan.action is None:
        raise AssertionError("a plan has an action or a new task")
    named = ", ".join(name_of(task) for task in tasks)
    words = {"task": named, "input": clean(plan.input, _INPUT_CHARACTERS)}
    return _(_ON_ONE[plan.action]) % words


def _summary_of_run(plan: Plan) -> str:
    spec = plan.spec
    if spec is None:
        raise AssertionError("asked only for new tasks")
    where = spec.node or _("any node")
    if spec.named_task:
        what = {"task": spec.named_task, "project": spec.project, "node": where}
        return _("Run %(task)s of %(project)s on %(node)s") % what
    return _("Run the command %(command)s on %(node)s") % {"command": shlex.join(spec.argv), "node": where}


def name_of(task: Mapping[str, Any]) -> str:
    """Name, id and node: which one it is must be plain."""
    where = task["node"] or task["targetNode"] or _("no node yet")
    return _("“%(name)s” (%(id)s, %(node)s)") % {
        "name": clean(task["name"], _NAME_CHARACTERS),
        "id": task["id"],
        "node": where,
    }


def version_of(states: Sequence[tuple[str, int, str, str]]) -> str:
    """Of targets as (id, attempt, state, node): an approval holds only while it stays the same.

    Not the row's own version: progress changes that all the time and matters to nobody's decision.
    """
    return " ".join(f"{task_id}#{attempt}:{state}@{node}" for task_id, attempt, state, node in states)
