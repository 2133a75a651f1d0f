"""Reads the current nodes and tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from chat.policy import Risk
from chat.tools.tool import Arguments, Parameter, Reading, Tool
from chat.untrusted import marked
from nodes import selectors
from nodes.domain.states import TaskState
from nodes.errors import NotFound
from nodes.leader.projection.node_messages import MetricsFields

_NODE_FIELDS = ("id", "role", "parent", "state", "stateSince", "cpu", "load", "slots", "running")
_METRICS = tuple(MetricsFields.__annotations__)
_TASK_FIELDS = ("id", "name", "project", "node", "targetNode", "state", "health", "progress", "attempt", "exitCode")
_TIMES = ("createdAt", "startedAt", "endedAt", "unknownSince")
_STATES = tuple(str(state) for state in TaskState)


def brief_task(task: dict[str, Any]) -> dict[str, Any]:
    """Ids, names and states, without the task's output or messages."""
    return {name: task[name] for name in _TASK_FIELDS}


def _chosen(node: Mapping[str, object], names: Sequence[str]) -> dict[str, object]:
    return {name: node[name] for name in names}


def _list_nodes(arguments: Arguments, reading: Reading) -> Any:
    return {"nodes": [_chosen(node, _NODE_FIELDS) for node in selectors.node_list()]}


def _inspect_node(arguments: Arguments, reading: Reading) -> Any:
    node = next((node for node in selectors.node_list() if node["id"] == arguments["node"]), None)
    if node is None:
        raise NotFound(f"There is no node {arguments['node']}.")
    capabilities = node["capabilities"]
    projects = [
        {"name": project["name"], "tasks": [task["name"] for task in project["tasks"]]}
        for project in capabilities.get("projects", ())
    ]
    machine = {name: capabilities.get(name) for name in ("os", "architecture", "cpuCount", "memoryBytes")}
    tasks = selectors.task_list(node=node["id"], limit=50)["results"]
    return {
        **_chosen(node, (*_NODE_FIELDS, *_METRICS, "link", "lastSeenAt")),
        **machine,
        "allowsCommands": capabilities.get("allowsCommands"),
        "projects": projects,
        "tasks": [brief_task(task) for task in tasks],
    }


def _list_tasks(arguments: Arguments, reading: Reading) -> Any:
    filters = dict(reading.context.filters)
    if node := arguments.get("node"):
        filters["node"] = node
    if project := arguments.get("project"):
        filters["project"] = project
    state = [arguments["state"]] if "state" in arguments else []
    found = selectors.task_list(state=state, limit=arguments.get("limit", 50), **filters)
    return {"tasks": [brief_task(task) for task in found["results"]], "hasMore": found["hasMore"], "filters": filters}


def _inspect_task(arguments: Arguments, reading: Reading) -> Any:
    task = selectors.task_detail(arguments["task"])
    texts = {"message": task["message"], "command": task["command"] or "", "pendingReason": task["pendingReason"]}
    return {
        **brief_task(task),
        **{name: task[name] for name in _TIMES},
        "acceptsInput": task["acceptsInput"],
        "attempts": [
            {name: attempt[name] for name in ("attempt", "node", "state", "exitCode", "startedAt", "endedAt")}
            for attempt in task["attempts"][:5]
        ],
        "commands": [
            {name: command[name] for name in ("kind", "state", "actor", "attempt")} for command in task["commands"][:10]
        ],
        "said": {name: marked(f"task {task['id']} {name}", text, 1500) for name, text in texts.items() if text},
    }


def _metrics(arguments: Arguments, reading: Reading) -> Any:
    wanted = arguments.get("node")
    nodes = [node for node in selectors.node_list() if wanted in (None, node["id"])]
    if wanted and not nodes:
        raise NotFound(f"There is no node {wanted}.")
    return {"nodes": [_chosen(node, ("id", "state", "running", "slots", *_METRICS)) for node in nodes]}


_NODE = Parameter(description="The exact id of the node.", max_characters=64)

TOOLS = (
    Tool(
        name="list_nodes",
        label=_("List nodes"),
        description="All nodes with their state and load.",
        risk=Risk.READ,
        read=_list_nodes,
    ),
    Tool(
        name="inspect_node",
        label=_("Inspect a node"),
        description="One node: machine, load, projects with their named tasks, its latest tasks.",
        risk=Risk.READ,
        parameters={"node": Parameter(description="The exact id of the node.", max_characters=64, is_required=True)},
        read=_inspect_node,
    ),
    Tool(
        name="list_tasks",
        label=_("List tasks"),
        description="Tasks, newest first; in the conversation's context unless node or project is given.",
        risk=Risk.READ,
        parameters={
            "node": _NODE,
            "project": Parameter(description="The project's name."),
            "state": Parameter(description="Only tasks in this state.", choices=_STATES),
            "limit": Parameter(description="Maximum number of tasks; default 50.", maximum=200),
        },
        read=_list_tasks,
    ),
    Tool(
        name="inspect_task",
        label=_("Inspect a task"),
        description="One task: state, times, attempts, commands, and its own messages (untrusted).",
        risk=Risk.READ,
        parameters={"task": Parameter(description="The task's id.", max_characters=64, is_required=True)},
        read=_inspect_task,
        is_untrusted=True,
    ),
    Tool(
        name="metrics",
        label=_("Read metrics"),
        description="CPU, memory, disk, load and GPUs of one node or all, as last reported.",
        risk=Risk.READ,
        parameters={"node": _NODE},
        read=_metrics,
    ),
)
