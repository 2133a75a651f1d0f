"""The agent's memory, which operators can edit, and the requests sent to a model.

These are the only pages that change anything; each change is a request to the Leader, which audits it.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import get_language, gettext_lazy, pgettext, pgettext_lazy
from django.utils.translation import gettext as _

from chat import memory_selectors, selectors, services
from dashboard.methods import only
from dashboard.pages.labels import MEMORY_REASONS
from dashboard.pages.shell import live_data, render_fragment, render_page
from dashboard.rights import Right, may, request_role, require_right
from nodes.errors import LeaderUnavailable, NotFound, TaskRejected

TOPICS = ("nodes", "alerts")
SECTIONS = {
    "system": gettext_lazy("System prompt"),
    "tools": gettext_lazy("Tools"),
    "memory": pgettext_lazy("agent", "Memory"),
    "summary": gettext_lazy("Summary of earlier turns"),
    "messages": gettext_lazy("Messages"),
    "results": gettext_lazy("Tool results"),
}
ACTIONS = {
    "create": gettext_lazy("created"),
    "edit": gettext_lazy("edited"),
    "rename": gettext_lazy("renamed"),
    "delete": gettext_lazy("deleted"),
    "revert": gettext_lazy("reverted"),
    "review": gettext_lazy("reviewed"),
}


@only("GET")
@require_right(Right.VIEW)
def memory_list(request: HttpRequest) -> HttpResponse:
    filters = {name: request.GET.get(name, "").strip()[:200] for name in ("scope", "text", "deleted")}
    found = memory_selectors.memory_list(
        scope=filters["scope"], text=filters["text"], deleted=filters["deleted"] == "1"
    )
    conversations = selectors.conversation_list(limit=20)
    context = {
        "heading": pgettext("agent", "Memory"),
        "files": found,
        "filters": filters,
        "is_filtered": any(filters.values()),
        "scopes": memory_selectors.scopes(),
        "conversations": conversations["results"],
        "has_more_conversations": conversations["hasMore"],
    }
    if request.htmx:  # type: ignore[attr-defined]  # The middleware sets it.
        return render_fragment(request, "pages/_memory_list.html", context)
    return _page(request, "pages/memory_list.html", context)


@only("GET")
@require_right(Right.VIEW)
def memory_file(request: HttpRequest, file_id: int) -> HttpResponse:
    return _file_page(request, file_id)


@only("POST")
@require_right(Right.OPERATE)
def memory_change(request: HttpRequest, file_id: int) -> HttpResponse:
    """Fields: action ("edit", "revert", "delete", "review"), version, text, to, why."""
    post = request.POST
    text = post.get("text", "").replace("\r\n", "\n")
    try:
        services.change_memory(
            file_id,
            post.get("action", ""),
            version=_number(post.get("version", "")),
            text=text,
            to=_number(post.get("to", "")),
            why=post.get("why", "").strip(),
            actor=request.user.get_username(),
        )
    except NotFound as exc:
        raise Http404 from exc
    except TaskRejected as exc:
        # Keep the text that was typed.
        problem = str(MEMORY_REASONS.get(exc.code, exc.message))
        return _file_page(request, file_id, problem=problem, typed=text, why=post.get("why", ""), status=409)
    except LeaderUnavailable:
        problem = str(MEMORY_REASONS["unavailable"])
        return _file_page(request, file_id, problem=problem, typed=text, why=post.get("why", ""), status=503)
    return redirect("dashboard:memory-file", file_id)


@only("GET")
@require_right(Right.VIEW)
def memory_context(request: HttpRequest, conversation_id: str) -> HttpResponse:
    try:
        found = memory_selectors.context_of(conversation_id, sees_commands=_sees_commands(request))
    except NotFound as exc:
        raise Http404 from exc
    for asked in found["requests"]:
        asked["total"] = sum(section["tokens"] for section in asked["sections"])
        for section in asked["sections"]:
            section["label"] = SECTIONS[section["name"]]
    context = {"heading": _("Model context"), "found": found, "engine": selectors.engine_status()}
    return _page(request, "pages/memory_context.html", context)


@only("GET")
@require_right(Right.VIEW)
def memory_request(request: HttpRequest, snapshot_id: int) -> HttpResponse:
    """The exact bytes that were sent, without commands for people who may not run them."""
    try:
        body = memory_selectors.raw_request(snapshot_id, sees_commands=_sees_commands(request))
    except NotFound as exc:
        raise Http404 from exc
    response = HttpResponse(body, content_type="application/json; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="request-{snapshot_id}.json"'
    response["Cache-Control"] = "no-store"
    return response


def _file_page(
    request: HttpRequest, file_id: int, *, problem: str = "", typed: str = "", why: str = "", status: int = 200
) -> HttpResponse:
    try:
        file = memory_selectors.memory_file(file_id, language=get_language())
    except NotFound as exc:
        raise Http404 from exc
    for revision in file["revisions"]:
        revision["label"] = ACTIONS.get(revision["action"], revision["action"])
    context = {
        "heading": pgettext("agent", "Memory"),
        "file": file,
        "problem": problem,
        "typed": typed or file["content"],
        "why": why,
    }
    response = _page(request, "pages/memory_file.html", context)
    response.status_code = status
    return response


def _page(request: HttpRequest, template: str, context: Mapping[str, object]) -> HttpResponse:
    return render_page(request, template, context, section="memory", topics=TOPICS, data=live_data(TOPICS))


def _sees_commands(request: HttpRequest) -> bool:
    return may(request_role(request), Right.RUN_COMMANDS)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
