"""The live log of the whole cluster, or of one node, over the full height of the window."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from dashboard.pages.ansi import plain_text
from dashboard.pages.shell import live_data, render_page
from dashboard.rights import Right, require_right
from nodes import selectors
from nodes.domain.states import Lane

LINES = 2_000


@require_GET
@require_right(Right.VIEW)
def logs(request: HttpRequest) -> HttpResponse:
    data = live_data(("nodes",))
    asked = request.GET.get("node", "")
    node = asked if asked in {node["id"] for node in data["nodes"]} else ""
    data["logs"] = selectors.recent_logs(node=node, limit=LINES)
    data["gaps"] = [gap for gap in selectors.gaps(node=node) if gap["lane"] == Lane.LOGS] if node else []
    # The lines' own tasks alone: their names stand beside the lines.
    data["tasks"] = selectors.known_tasks({batch["task"] for batch in data["logs"]})
    names = {task["id"]: plain_text(task["name"]) for task in data["tasks"]}
    context = {
        "heading": _("Logs"),
        "log_nodes": data["nodes"],
        "log_node": node,
        "log_lines": [
            {
                "at": line[2],
                "level": line[3],
                "node": batch["node"],
                "task": names.get(batch["task"], ""),
                "text": line[5],
            }
            for batch in data["logs"]
            for line in batch["lines"]
        ],
    }
    # One node's lines come on a topic of their own, so that a noisy neighbour cannot push them out.
    topics = ("nodes", "tasks", "alerts", f"logs:{node}" if node else "logs")
    return render_page(request, "pages/logs.html", context, section="logs", topics=topics, data=data)
