"""Actions on existing tasks."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext_lazy as _

from chat.policy import Risk
from chat.tools.tool import OPERATE, Arguments, Parameter, Plan, Tool
from nodes.domain.states import Action

_TASK = Parameter(description="The task's id, exactly as list_tasks gives it.", max_characters=64, is_required=True)
_BULK = 50


def _on_one(action: Action) -> Callable[[Arguments], Plan]:
    return lambda arguments: Plan(right=OPERATE, action=action, task_ids=(arguments["task"],))


def _send_input(arguments: Arguments) -> Plan:
    return Plan(right=OPERATE, action=Action.INPUT, task_ids=(arguments["task"],), input=arguments["text"])


def _control_tasks(arguments: Arguments) -> Plan:
    task_ids = tuple(dict.fromkeys(arguments["tasks"]))
    return Plan(right=OPERATE, action=Action(arguments["action"]), task_ids=task_ids)


TOOLS = (
    Tool(
        name="pause_task",
        effect=_("Its processes are frozen until you resume them; nothing is lost."),
        description="Pause one running task.",
        risk=Risk.MUTATING,
        parameters={"task": _TASK},
        plan=_on_one(Action.PAUSE),
    ),
    Tool(
        name="resume_task",
        effect=_("Its processes continue where they paused."),
        description="Resume one paused task.",
        risk=Risk.MUTATING,
        parameters={"task": _TASK},
        plan=_on_one(Action.RESUME),
    ),
    Tool(
        name="retry_task",
        effect=_("The task starts again with the same request."),
        description="Start one ended task again, as a new attempt.",
        risk=Risk.MUTATING,
        parameters={"task": _TASK},
        plan=_on_one(Action.RETRY),
    ),
    Tool(
        name="send_input",
        effect=_("The line is written to its standard input. This cannot be undone."),
        description="Write a line to one task's standard input; the line ending is added.",
        risk=Risk.MUTATING,
        parameters={"task": _TASK, "text": Parameter(description="The line.", max_characters=4_000, is_required=True)},
        plan=_send_input,
    ),
    Tool(
        name="cancel_task",
        effect=_("Its processes are asked to stop, then killed after 10 s. This cannot be undone."),
        description="End one task for good. A person is asked first.",
        risk=Risk.DESTRUCTIVE,
        parameters={"task": _TASK},
        plan=_on_one(Action.CANCEL),
    ),
    Tool(
        name="control_tasks",
        effect=_("It applies to each of these tasks. Cancelling cannot be undone."),
        description="Do the same to several tasks. A person is asked first.",
        risk=Risk.DESTRUCTIVE,
        parameters={
            "action": Parameter(
                description="What to do.", choices=("pause", "resume", "cancel", "retry"), is_required=True
            ),
            "tasks": Parameter(description="The tasks' ids.", max_items=_BULK, max_characters=64, is_required=True),
        },
        plan=_control_tasks,
    ),
)
