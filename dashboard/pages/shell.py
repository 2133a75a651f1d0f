"""The common part of all pages: the user, the feed position, and the data that the script needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language

from dashboard.pages import labels, strings
from dashboard.rights import Right, may, request_role
from nodes import selectors


def live_data(topics: Sequence[str]) -> dict[str, Any]:
    """State of these topics as in a SNAPSHOT. Position first: a change in between is repeated, never missed."""
    store, seq = selectors.position()
    where = {"store": store, "seq": str(seq)} if store else {}
    return {**where, **selectors.snapshot(topics)}


def render_page(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    section: str,
    topics: tuple[str, ...],
    data: Mapping[str, Any],
) -> HttpResponse:
    """Renders a complete page. `data`: from `live_data`; the script starts with it and requests later changes."""
    body = {
        **_viewer(request),
        **context,
        "section": section,
        "topics": " ".join(topics),
        "page_data": data,
        "script": _script_settings(),
    }
    response = render(request, template, body)
    # Live state must not be cached.
    response["Cache-Control"] = "no-store"
    return _compressed(request, response)


def render_fragment(request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    """Renders the part of a page that htmx requested; the complete page includes the same partial."""
    response = render(request, template, {**_viewer(request), **context, "is_fragment": True})
    response["Cache-Control"] = "no-store"
    # The page and its part have the same URL.
    response["Vary"] = "HX-Request"
    return _compressed(request, response)


def _compressed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Compresses only pages. They may reflect parts of their URL, so they must not contain secrets (BREACH): the CSRF
    token is masked differently each time, the live socket's ticket is fetched separately, and padding hides the length.
    """
    _GZIP.process_response(request, response)
    return response


def _unused(request: HttpRequest) -> HttpResponseBase:
    raise AssertionError("the middleware compresses an existing response")


_GZIP = GZipMiddleware(_unused)


def _viewer(request: HttpRequest) -> dict[str, Any]:
    role = request_role(request)
    return {
        "role": role,
        "may_operate": may(role, Right.OPERATE),
        "may_run_commands": may(role, Right.RUN_COMMANDS),
        "may_manage": may(role, Right.MANAGE),
        "is_chat_open": request.COOKIES.get("agentflow_chat") == "open",
        "server_now_ms": int(timezone.now().timestamp() * 1000),
    }


def _script_settings() -> dict[str, Any]:
    """Data for the script: texts in the reader's language, and URLs."""
    return {
        "language": get_language() or "en",
        "strings": strings.script_strings(),
        "labels": labels.as_data(),
        "urls": {
            "ticket": reverse("dashboard:live-ticket"),
            "login": reverse("dashboard:login"),
            "task": reverse("dashboard:task-detail", args=["TASK"]),
            "taskLog": reverse("dashboard:task-log", args=["TASK"]),
            "node": reverse("dashboard:node-detail", args=["NODE"]),
            "chat": reverse("api:chat-contexts").removesuffix("contexts"),
            "tasks": reverse("api:task-list").removesuffix("/") + "/",
            "alerts": reverse("api:alert-list").removesuffix("/") + "/",
        },
    }
