"""The overview: the whole cluster at a glance, rendered from the snapshot that the live feed sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from dashboard.pages import strings
from dashboard.pages.row_templates import ROW_TEMPLATES
from dashboard.pages.shell import live_data, render_page
from dashboard.rights import Right, require_right

TOPICS = ("nodes", "tasks", "alerts", "logs")
# Rows rendered at first. The script shows the rest; without scripts the lists of nodes and tasks do.
ROWS = 20

# Tasks with problems first, then running ones, then the rest.
_TASK_ORDER = ("running", "paused", "dispatched", "pending")
_NODE_ORDER = {"offline": 0, "suspect": 1, "online": 2}
_ROLE_ORDER = {"leader": 0, "master": 1, "edge": 2}


@require_GET
@require_right(Right.VIEW)
def overview(request: HttpRequest) -> HttpResponse:
    data = live_data(TOPICS)
    # The script sorts them in the same order.
    nodes = data["nodes"] = sorted(data["nodes"], key=_node_rank)
    tasks = data["tasks"] = sorted(data["tasks"], key=_task_rank)
    context = {
        "heading": _("Cluster overview"),
        "nodes": nodes[:ROWS],
        "tasks": tasks[:ROWS],
        "alerts": data["alerts"][:ROWS],
        "has_members": any(node["role"] != "leader" for node in nodes),
        "figures": _figures(data),
        "log_nodes": sorted(data["nodes"], key=lambda node: str(node["id"])),
        **ROW_TEMPLATES,
    }
    return render_page(request, "pages/overview.html", context, section="overview", topics=TOPICS, data=data)


def _figures(data: Mapping[str, Any]) -> dict[str, Any]:
    """The tiles' initial figures; the script updates them."""
    nodes = Counter(node["state"] for node in data["nodes"])
    loads = [node["cpu"] for node in data["nodes"] if node["state"] == "online" and node["cpu"] is not None]
    seen = [task for task in data["tasks"] if task["unknownSince"] is None]
    states = Counter(task["state"] for task in seen)
    tasks = Counter(task["health"] for task in seen if task["state"] == "running")
    tasks["unknown"] = len(data["tasks"]) - len(seen)
    words = strings.overview_strings()
    wrong = {
        "nodes": [words[f"nodes.{kind}"].format(count=nodes[kind]) for kind in ("suspect", "offline") if nodes[kind]],
        "tasks": [
            words[f"tasks.{kind}"].format(count=tasks[kind])
            for kind in ("waiting", "stalled", "unknown")
            if tasks[kind]
        ],
    }
    critical = sum(alert["level"] == "error" for alert in data["alerts"])
    return {
        "nodes": nodes.total(),
        "nodes_online": nodes["online"],
        "nodes_wrong": wrong["nodes"],
        "running": states["dispatched"] + states["running"] + states["paused"],
        "tasks": len(data["tasks"]),
        "tasks_wrong": wrong["tasks"],
        "pending": states["pending"],
        "alerts": len(data["alerts"]),
        # "All clear" is left to the script: this page cannot know whether the Leader still stores anything.
        "concerns": [
            *([words["alerts.errors"].format(count=critical)] if critical else []),
            *(
                words[f"tile.{kind}"].format(troubles=words["tile.comma"].join(found))
                for kind, found in wrong.items()
                if found
            ),
        ],
        "cpu": sum(loads) / len(loads) if loads else None,
    }


def _node_rank(node: Mapping[str, Any]) -> tuple[int, int, str]:
    return _NODE_ORDER.get(node["state"], 0), _ROLE_ORDER.get(node["role"], 3), str(node["id"])


def _task_rank(task: Mapping[str, Any]) -> tuple[int, int, float]:
    """Tasks that wait for a person first, then running ones, then the rest, newest first."""
    needs_person = task["unknownSince"] is not None or (
        task["state"] == "running" and task["health"] in ("waiting", "stalled")
    )
    is_open = task["state"] in _TASK_ORDER
    return (0 if needs_person else 1, 0 if is_open else 1, -(task["createdAt"] or 0))
