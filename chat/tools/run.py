"""Starts new tasks: a project's named task, or a command. Always needs a person's approval."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from chat.policy import Risk
from chat.tools.tool import OPERATE, RUN_COMMANDS, Arguments, Parameter, Plan, Tool
from nodes.domain.commands import TaskSpec

_NODE = Parameter(description="The node's id; if omitted, any node that has the project.", max_characters=64)


def _run_named_task(arguments: Arguments) -> Plan:
    spec = TaskSpec(project=arguments["project"], named_task=arguments["task_name"], node=arguments.get("node", ""))
    return Plan(right=OPERATE, spec=spec)


def _run_command(arguments: Arguments) -> Plan:
    spec = TaskSpec(project=arguments.get("project", ""), node=arguments["node"], argv=tuple(arguments["command"]))
    return Plan(right=RUN_COMMANDS, spec=spec)


TOOLS = (
    Tool(
        name="run_named_task",
        effect=_("A new task starts on the node."),
        description="Start a task that a project defines (inspect_node lists them). A person is asked first.",
        risk=Risk.DESTRUCTIVE,
        parameters={
            "project": Parameter(description="The project's name.", is_required=True),
            "task_name": Parameter(description="The named task.", is_required=True),
            "node": _NODE,
        },
        plan=_run_named_task,
    ),
    Tool(
        name="run_command",
        effect=_("The command runs on the node with all of its agent's permissions."),
        description="Start a new command on one node. An administrator is asked first.",
        risk=Risk.DESTRUCTIVE,
        parameters={
            "node": Parameter(description="The node's id.", max_characters=64, is_required=True),
            "command": Parameter(
                description="The program and its arguments; there is no shell.",
                max_items=200,
                max_characters=4_000,
                is_required=True,
                is_private=True,
            ),
            "project": Parameter(description="The project in whose folder it runs."),
        },
        plan=_run_command,
    ),
)
