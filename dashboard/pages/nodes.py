"""Nodes: the list with filters, and each node's page with its machine, projects and tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from dashboard.methods import only
from dashboard.pages import decisions, labels
from dashboard.pages.ansi import plain_text
from dashboard.pages.missing import lost_entries
from dashboard.pages.paging import asked_page, pager
from dashboard.pages.row_templates import ROW_TEMPLATES
from dashboard.pages.shell import live_data, render_fragment, render_page
from dashboard.rights import Right, require_right
from nodes import selectors
from nodes.errors import NotFound

LIST_ROWS = 50
NODE_TASKS = 50
NODE_GAPS = 20


@only("GET")
@require_right(Right.VIEW)
def node_list(request: HttpRequest) -> HttpResponse:
    filters = {name: request.GET.get(name, "").strip() for name in ("state", "text")}
    number = asked_page(request)
    data = live_data(("nodes",))
    found = [node for node in data["nodes"] if _fits(node, filters)]
    start = (number - 1) * LIST_ROWS
    is_filtered = any(filters.values())
    context = {
        "heading": _("Nodes"),
        "nodes": found[start : start + LIST_ROWS],
        "total": len(data["nodes"]),
        "has_members": any(decisions.ROLES[node["role"]].is_member for node in data["nodes"]),
        "filters": filters,
        "is_filtered": is_filtered,
        "rows": "known" if is_filtered or number > 1 else "all",
        "pager": pager(request, number=number, has_more=len(found) > start + LIST_ROWS),
        "node_states": labels.NODE_STATES,
        **ROW_TEMPLATES,
    }
    if request.htmx:  # type: ignore[attr-defined]  # The middleware sets it.
        return render_fragment(request, "pages/_node_list.html", context)
    return render_page(
        request, "pages/node_list.html", context, section="node-list", topics=("nodes", "alerts"), data=data
    )


def _fits(node: Mapping[str, Any], filters: Mapping[str, str]) -> bool:
    if filters["state"] and node["state"] != filters["state"]:
        return False
    projects = (project["name"] for project in node["capabilities"].get("projects", ()))
    text = filters["text"].lower()
    return not text or any(text in word.lower() for word in (node["id"], node["parent"], *projects))


@only("GET")
@require_right(Right.VIEW)
def node_detail(request: HttpRequest, node_id: str) -> HttpResponse:
    data = live_data(("nodes",))
    try:
        node = selectors.node_detail(node_id)
    except NotFound as exc:
        raise Http404 from exc
    data["tasks"] = selectors.task_list(node=node_id, limit=NODE_TASKS)["results"]
    ids = [task["id"] for task in data["tasks"]]
    data["commands"] = selectors.recent_commands(ids) if ids else []
    gaps = selectors.gaps(node=node_id, limit=NODE_GAPS)
    names = {task["id"]: plain_text(task["name"]) for task in data["tasks"]}
    context = {
        "heading": _("Node"),
        "gaps": [{**gap, "text": lost_entries(gap), "task_name": names.get(gap["task"], gap["task"])} for gap in gaps],
        "dead_letters": selectors.dead_letters(node=node_id),
        "blank_gap": {"text": "", "at": None, "task": "", "task_name": ""},
        "node": node,
        "is_reachable": decisions.NODES[node["state"]].is_reachable,
        "tasks": data["tasks"],
        "rows": f"node:{node_id}",
        **ROW_TEMPLATES,
    }
    topics = ("nodes", "tasks", "alerts")
    return render_page(request, "pages/node_detail.html", context, section="node-list", topics=topics, data=data)
