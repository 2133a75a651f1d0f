"""The live log of the whole cluster or of one node, and the search in any log."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from dashboard.methods import only
from dashboard.pages.ansi import plain_text
from dashboard.pages.shell import live_data, render_page
from dashboard.rights import Right, require_right
from nodes import selectors
from nodes.domain.states import Lane, LogLevel

LINES = 2_000
_MOST_CHARACTERS = 200
_MOST_ID = 2**63 - 1


@only("GET")
@require_right(Right.VIEW)
def logs(request: HttpRequest) -> HttpResponse:
    data = live_data(("nodes",))
    asked = request.GET.get("node", "")
    node = asked if asked in {node["id"] for node in data["nodes"]} else ""
    data["logs"] = selectors.recent_logs(node=node, limit=LINES)
    data["gaps"] = [gap for gap in selectors.gaps(node=node) if gap["lane"] == Lane.LOGS] if node else []
    # Only tasks of these lines, to show their names.
    data["tasks"] = selectors.known_tasks({batch["task"] for batch in data["logs"]})
    names = {task["id"]: plain_text(task["name"]) for task in data["tasks"]}
    context = {
        "heading": _("Logs"),
        "log_nodes": data["nodes"],
        "log_node": node,
        "log_limit": LINES,
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
    # A node's lines have their own topic, so that another noisy node cannot displace them.
    topics = ("nodes", "tasks", "alerts", f"logs:{node}" if node else "logs")
    return render_page(request, "pages/logs.html", context, section="logs", topics=topics, data=data)


@only("GET")
@require_right(Right.VIEW)
def log_search(request: HttpRequest) -> JsonResponse:
    """JSON: the next part of a search in lines that the page does not have, with the filter of the page's script."""
    asked = request.GET
    wanted, unwanted = _words(asked.get("text", "")[:_MOST_CHARACTERS])
    before, attempt = _number(asked.get("before", "")), _number(asked.get("attempt", ""))
    found = selectors.search_logs(
        wanted=wanted,
        unwanted=unwanted,
        levels=[level for level in LogLevel if level in asked.getlist("level")],
        task=asked.get("task", ""),
        attempt=attempt or 0,
        node=asked.get("node", ""),
        before=before,
    )
    return JsonResponse(found)


def _words(text: str) -> tuple[list[str], list[str]]:
    """Words that must occur, and words that must not (`-word`). A single dash is a word."""
    words = text.lower().split()
    unwanted = [word[1:] for word in words if word.startswith("-") and len(word) > 1]
    return [word for word in words if not (word.startswith("-") and len(word) > 1)], unwanted


def _number(text: str) -> int | None:
    return min(int(text), _MOST_ID) if text.isascii() and text.isdigit() and len(text) < 20 else None
