"""The overview: the whole cluster at a glance, rendered from the same snapshot that the live feed would send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from dashboard.pages.blanks import BLANKS
from dashboard.pages.shell import live_data, render_page
from dashboard.rights import Right, require_right

TOPICS = ("nodes", "tasks", "alerts", "logs")
# What is in sight at first; the script lists the rest, without it the lists of nodes and tasks do.
ROWS = 20

# Problems first, then what moves, then what rests.
_TASK_ORDER = ("running", "paused", "dispatched", "pending")
_NODE_ORDER = {"offline": 0, "suspect": 1, "online": 2}
_ROLE_ORDER = {"leader": 0, "master": 1, "edge": 2}


@require_GET
@require_right(Right.VIEW)
def overview(request: HttpRequest) -> HttpResponse:
    data = live_data(TOPICS)
    # The script lists them in this order too.
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
        **BLANKS,
    }
    return render_page(request, "pages/overview.html", context, section="overview", topics=TOPICS, data=data)


def _figures(data: Mapping[str, Any]) -> dict[str, Any]:
    """The tiles' figures for readers without the script, which counts them itself from then on."""
    online = [node for node in data["nodes"] if node["state"] == "online"]
    loads = [node["cpu"] for node in online if node["cpu"] is not None]
    seen = [task["state"] for task in data["tasks"] if task["unknownSince"] is None]
    return {
        "nodes": len(data["nodes"]),
        "nodes_online": len(online),
        "running": sum(state in ("dispatched", "running", "paused") for state in seen),
        "tasks": len(data["tasks"]),
        "unknown": len(data["tasks"]) - len(seen),
        "pending": seen.count("pending"),
        "alerts": len(data["alerts"]),
        "cpu": sum(loads) / len(loads) if loads else None,
    }


def _node_rank(node: Mapping[str, Any]) -> tuple[int, int, str]:
    return _NODE_ORDER.get(node["state"], 0), _ROLE_ORDER.get(node["role"], 3), str(node["id"])


def _task_rank(task: Mapping[str, Any]) -> tuple[int, int, float]:
    """What waits for a person, then what runs, then the newest of the rest."""
    needs_person = task["unknownSince"] is not None or (
        task["state"] == "running" and task["health"] in ("waiting", "stalled")
    )
    is_open = task["state"] in _TASK_ORDER
    return (0 if needs_person else 1, 0 if is_open else 1, -(task["createdAt"] or 0))
