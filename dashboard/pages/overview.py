"""The overview of the cluster, rendered from the same snapshot that the live feed sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from dashboard.methods import only
from dashboard.pages import decisions, strings
from dashboard.pages.row_templates import ROW_TEMPLATES
from dashboard.pages.shell import live_data, render_page
from dashboard.rights import Right, require_right

TOPICS = ("nodes", "tasks", "alerts", "logs")
# Rows rendered by the server. The script adds the rest; without scripts, use the lists of nodes and tasks.
ROWS = 20

_NODE_ORDER = {"offline": 0, "suspect": 1, "online": 2}
_ROLE_ORDER = {"leader": 0, "master": 1, "edge": 2}


@only("GET")
@require_right(Right.VIEW)
def overview(request: HttpRequest) -> HttpResponse:
    data = live_data(TOPICS)
    # The script uses the same order.
    nodes = data["nodes"] = sorted(data["nodes"], key=_node_rank)
    tasks = data["tasks"] = sorted(data["tasks"], key=_task_rank)
    context = {
        "heading": _("Cluster overview"),
        "nodes": nodes[:ROWS],
        "tasks": tasks[:ROWS],
        "alerts": data["alerts"][:ROWS],
        "has_members": any(decisions.ROLES[node["role"]].is_member for node in nodes),
        "figures": _figures(data),
        "log_nodes": sorted(data["nodes"], key=lambda node: str(node["id"])),
        **ROW_TEMPLATES,
    }
    return render_page(request, "pages/overview.html", context, section="overview", topics=TOPICS, data=data)


def _figures(data: Mapping[str, Any]) -> dict[str, Any]:
    """The tiles' initial figures. The script counts the same ones when something changes."""
    loads = [
        node["cpu"] for node in data["nodes"] if decisions.NODES[node["state"]].is_reachable and node["cpu"] is not None
    ]
    counts = {
        "alerts": Counter(decisions.ALERTS[alert["level"]].figure for alert in data["alerts"]),
        "nodes": Counter(node["state"] for node in data["nodes"]),
        "tasks": Counter(figure for task in data["tasks"] for figure in _task_figures(task)),
    }
    words = strings.overview_strings()
    wrong = {
        kind: [
            words[f"{kind}.{figure}"].format(count=counts[kind][figure]) for figure in figures if counts[kind][figure]
        ]
        for kind, figures in decisions.TROUBLES.items()
    }
    return {
        "nodes": len(data["nodes"]),
        "nodes_online": counts["nodes"]["online"],
        "nodes_wrong": wrong["nodes"],
        "running": counts["tasks"]["running"],
        "tasks": len(data["tasks"]),
        "tasks_wrong": wrong["tasks"],
        "pending": counts["tasks"]["queued"],
        "alerts": len(data["alerts"]),
        # Only the script shows "all clear": this page cannot know whether the Leader still stores anything.
        "concerns": [
            *wrong["alerts"],
            *(
                words[f"tile.{kind}"].format(troubles=words["tile.comma"].join(wrong[kind]))
                for kind in ("nodes", "tasks")
                if wrong[kind]
            ),
        ],
        "cpu": sum(loads) / len(loads) if loads else None,
    }


def _task_figures(task: Mapping[str, Any]) -> tuple[str, ...]:
    health = decisions.HEALTH.get(decisions.shown_health(task))
    return (decisions.TASKS[decisions.shown_state(task)].figure, health.figure if health else "")


def _node_rank(node: Mapping[str, Any]) -> tuple[int, int, str]:
    return _NODE_ORDER.get(node["state"], 0), _ROLE_ORDER.get(node["role"], 3), str(node["id"])


def _task_rank(task: Mapping[str, Any]) -> tuple[int, int, float]:
    """Sorts tasks that need a person first, then open ones, then the rest, each newest first."""
    is_final = decisions.TASKS[task["state"]].is_final
    return (0 if decisions.needs_person(task) else 1, 1 if is_final else 0, -(task["createdAt"] or 0))
