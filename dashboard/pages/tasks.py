"""Tasks: the list with filters, and each task's page with its complete log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.utils.translation import gettext as _

from dashboard.methods import only
from dashboard.pages import decisions, labels
from dashboard.pages.ansi import plain_text
from dashboard.pages.missing import lost_lines
from dashboard.pages.paging import asked_page, pager
from dashboard.pages.row_templates import ROW_TEMPLATES
from dashboard.pages.shell import live_data, render_fragment, render_page
from dashboard.pages.unreachable import mark_unreachable
from dashboard.rights import Right, require_right
from nodes import selectors
from nodes.errors import NotFound
from nodes.selectors.paging import PAGE_ROWS

LIST_ROWS = 50
LOG_CHUNK = 2_000
_MAX_NUMBER = 10**12


@only("GET")
@require_right(Right.VIEW)
def task_list(request: HttpRequest) -> HttpResponse:
    filters = {name: request.GET.get(name, "").strip() for name in ("state", "node", "text")}
    number = asked_page(request)
    data = live_data(("nodes",))
    found = selectors.task_list(
        state=_asked_states(filters["state"]),
        node=filters["node"],
        text=filters["text"],
        limit=LIST_ROWS,
        page=number,
    )
    is_filtered = any(filters.values())
    context = {
        "heading": _("Tasks"),
        "tasks": found["results"],
        "filters": filters,
        "is_filtered": is_filtered,
        # New tasks may appear only at the top of the unfiltered list.
        "rows": "known" if is_filtered or number > 1 else "all",
        "pager": pager(request, number=number, has_more=found["hasMore"]),
        "task_states": labels.TASK_STATES,
        "nodes": data["nodes"],
        **ROW_TEMPLATES,
    }
    if request.htmx:  # type: ignore[attr-defined]  # The middleware sets it.
        return render_fragment(request, "pages/_task_list.html", context)
    data["tasks"] = found["results"]
    data["commands"] = _commands_of(found["results"])
    return render_page(
        request, "pages/task_list.html", context, section="task-list", topics=("nodes", "tasks", "alerts"), data=data
    )


def _commands_of(tasks: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    ids = [task["id"] for task in tasks]
    return selectors.recent_commands(ids) if ids else []


def _asked_states(text: str) -> tuple[str, ...]:
    if text == "open":
        return tuple(str(state) for state in labels.TASK_STATES if not decisions.TASKS[state].is_final)
    return (text,) if text in labels.TASK_STATES else ()


@only("GET")
@require_right(Right.VIEW)
def task_detail(request: HttpRequest, task_id: str) -> HttpResponse:
    data = live_data(("nodes",))
    try:
        task = selectors.task_detail(task_id)
        shown = _asked_number(request, "attempt") or task["attempt"]
        attempts = task.pop("attempts")
        log = _log_end(task_id, shown)
    except NotFound as exc:
        raise Http404 from exc
    attempt = next((attempt for attempt in attempts if attempt["attempt"] == shown), None)
    if attempt is None:
        raise Http404
    mark_unreachable(attempts, data["nodes"])
    commands = task.pop("commands")
    task.pop("spec")
    alerts = selectors.alert_page(task=task_id, open=True)["results"]
    data.update(tasks=[task], commands=commands, alerts=alerts, logs=[_as_batch(log)], gaps=_gaps(log))
    context = {
        "heading": _("Task"),
        "task": task,
        "attempts": attempts,
        "shown_attempt": shown,
        "older_words": _("This is attempt #{shown}; the newest is #{newest}.").format(
            shown=shown, newest=task["attempt"]
        ),
        "open_words": _("Go to attempt #{number}").format(number=task["attempt"]),
        "blank_attempt": ROW_TEMPLATES["blank_task"],
        "commands": commands,
        "has_more_commands": len(commands) >= PAGE_ROWS,
        "blank_command": ROW_TEMPLATES["blank_command"],
        "is_log_pruned": attempt["isLogPruned"],
        "log_before": log["before"],
        "log_last": log["lastLine"],
        "log_lines": _static_lines(log),
    }
    topics = ("nodes", "alerts", f"task:{task_id}")
    return render_page(request, "pages/task_detail.html", context, section="task-list", topics=topics, data=data)


@only("GET")
@require_right(Right.VIEW)
def task_log(request: HttpRequest, task_id: str) -> HttpResponse:
    """JSON: up to `limit` lines before line number `before`, or from the end, as LOG messages."""
    attempt, before = _asked_number(request, "attempt"), _asked_number(request, "before")
    try:
        log = _log_end(task_id, attempt, before=before, limit=_asked_number(request, "limit"))
    except NotFound:
        return JsonResponse({"error": {"code": "not-found", "message": _("There is no such task.")}}, status=404)
    answer = {"logs": [_as_batch(log)], "gaps": _gaps(log), "hasMore": log["older"], "before": log["before"]}
    return JsonResponse(answer)


@only("GET")
@require_right(Right.VIEW)
def task_log_text(request: HttpRequest, task_id: str) -> HttpResponseBase:
    """The complete log of one attempt as a text file that is harmless on a terminal. `raw=1`: exactly as printed."""
    attempt = _asked_number(request, "attempt")
    is_raw = request.GET.get("raw") == "1"
    try:
        first = selectors.task_log(task_id, attempt, limit=LOG_CHUNK)
    except NotFound as exc:
        raise Http404 from exc
    response = StreamingHttpResponse(_text_of(first, is_raw=is_raw), content_type="text/plain; charset=utf-8")
    name = quote(f"{task_id}.{first['attempt']}.log")
    response["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
    return response


def _text_of(page: Mapping[str, Any], *, is_raw: bool) -> Iterator[str]:
    while True:
        yield "".join(f"{line[5] if is_raw else plain_text(line[5])}\n" for line in page["lines"])
        if page["next"] is None:
            return
        page = selectors.task_log(page["task"], page["attempt"], after=page["next"], limit=LOG_CHUNK)


def _log_end(
    task_id: str, attempt: int | None, *, before: int | None = None, limit: int | None = None
) -> dict[str, Any]:
    """The last lines of an attempt, or the last before a line number. `older`: whether there are earlier lines."""
    limit = min(limit or LOG_CHUNK, LOG_CHUNK)
    if before is None:
        probe = selectors.task_log(task_id, attempt, limit=1)
        before = probe["lastLine"] + 1
    after = max(0, before - 1 - limit)
    log = selectors.task_log(task_id, attempt, after=after, limit=limit)
    lines = [line for line in log["lines"] if line[1] < before]
    missing = [(first, min(last, before - 1)) for first, last in log["missing"] if first < before]
    return {**log, "lines": lines, "missing": missing, "older": after > 0, "before": after + 1}


def _as_batch(log: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "LOG", "node": "", "task": log["task"], "attempt": log["attempt"], "lines": log["lines"]}


def _gaps(log: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The attempt's permanent gaps, as GAP messages."""
    what = {"type": "GAP", "lane": "logs", "reason": "missing", "task": log["task"], "attempt": log["attempt"]}
    return [{**what, "firstLine": first, "lines": last - first + 1} for first, last in log["missing"]]


def _static_lines(log: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lines for pages without scripts, with gaps at their places, including before the first line."""
    rows = [(line[1], {"at": line[2], "level": line[3], "text": line[5]}) for line in log["lines"]]
    rows += [(first, {"gap": lost_lines(first, last)}) for first, last in log["missing"]]
    return [row for _, row in sorted(rows, key=lambda row: row[0])]


def _asked_number(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        return None
    return min(int(text), _MAX_NUMBER) or None
