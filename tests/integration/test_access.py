"""Checks every route of the site against a table of the status that each role gets.

A route that is missing from the table fails the test. WebSocket messages and gRPC methods have their own tables in
tests/e2e/test_access_live.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from django.contrib import admin
from django.http import HttpResponse
from pytest_django import DjangoDbBlocker

from dashboard.pages.sections import SECTIONS
from dashboard.rights import RIGHTS, Role
from nodes import services
from nodes.admin import HistoryAdmin
from tests.support.access import PEOPLE, AccessRule, NoLeader, People, all_routes, make_history, make_people
from tests.support.database import rows_of_many_tests

pytestmark = pytest.mark.django_db

#                 anonymous, nobody, viewer, operator, admin
EVERYBODY = (200, 200, 200, 200, 200)
PAGE = (302, 403, 200, 200, 200)
ADMIN_PAGE = (302, 403, 403, 403, 200)
ADMIN_MOVED = (302, 403, 403, 403, 302)
ADMIN_REFUSED = (302, 403, 403, 403, 403)
CONVERSATION = "api/v1/^chat/conversations/(?P<conversation_id>[^/]+)"
API_READ = (401, 403, 200, 200, 200)
# No Leader runs here: 503 means that access was granted, and so does 404 for an object that does not exist.
API_OPERATE = (401, 403, 403, 503, 503)
API_COMMAND = (401, 403, 403, 403, 503)
NO_SUCH_ROUTE = (404, 404, 404, 404, 404)


def rule(method: str, route: str, path: str, expected: tuple[int, ...], body: Any = None) -> AccessRule:
    return AccessRule(method=method, route=route, path=path, expected=expected, body=body)


ACCOUNTS = [
    rule("GET", "login/", "/login/", (200, 302, 302, 302, 302)),
    rule("POST", "login/", "/login/", EVERYBODY, {"username": "x", "password": "y"}),
    rule("GET", "login/link/", "/login/link/?token=x", (410,) * 5),
    rule("POST", "login/link/", "/login/link/", (410,) * 5, {"token": "x"}),
    rule("GET", "logout/", "/logout/", (405,) * 5),
    rule("POST", "logout/", "/logout/", (302,) * 5),
    rule("GET", "account/password/", "/account/password/", (302, 200, 200, 200, 200)),
    rule("POST", "account/password/", "/account/password/", (302, 200, 200, 200, 200), {"new_password1": "x"}),
    rule("POST", "i18n/setlang/", "/i18n/setlang/", (302,) * 5, {"language": "zh-hans", "next": "/"}),
]

API = [
    rule("GET", "api/v1/^me/?$", "/api/v1/me", API_READ),
    rule("GET", "api/v1/^counts/?$", "/api/v1/counts", API_READ),
    rule("GET", "api/v1/^nodes/?$", "/api/v1/nodes/", API_READ),
    rule("GET", "api/v1/^nodes/(?P<node_id>[^/]+)/?$", "/api/v1/nodes/master-1", API_READ),
    rule("POST", "api/v1/^nodes/(?P<node_id>[^/]+)/retire/?$", "/api/v1/nodes/master-1/retire", API_COMMAND),
    rule("GET", "api/v1/^alerts/?$", "/api/v1/alerts", API_READ),
    rule("GET", "api/v1/^alerts/(?P<alert_id>[0-9]{1,18})/?$", "/api/v1/alerts/1", API_READ),
    rule(
        "POST",
        "api/v1/^alerts/(?P<alert_id>[0-9]{1,18})/acknowledge/?$",
        "/api/v1/alerts/1/acknowledge",
        API_OPERATE,
    ),
    rule("GET", "api/v1/^tasks/?$", "/api/v1/tasks", API_READ),
    rule("POST", "api/v1/^tasks/?$", "/api/v1/tasks", API_OPERATE, {"project": "demo", "namedTask": "build"}),
    rule("POST", "api/v1/^tasks/?$", "/api/v1/tasks", API_COMMAND, {"argv": ["id"]}),
    rule("POST", "api/v1/^tasks/?$", "/api/v1/tasks", API_COMMAND, {"shellLine": "id"}),
    rule("GET", "api/v1/^tasks/(?P<task_id>[^/]+)/?$", "/api/v1/tasks/task-1", API_READ),
    rule("GET", "api/v1/^tasks/(?P<task_id>[^/]+)/log/?$", "/api/v1/tasks/task-1/log", API_READ),
    rule("GET", "api/v1/^tasks/(?P<task_id>[^/]+)/attempts/?$", "/api/v1/tasks/task-1/attempts", API_READ),
    *(
        rule(
            "POST",
            "api/v1/^tasks/(?P<task_id>[^/]+)/control/?$",
            f"/api/v1/tasks/{task}/control",
            expected,
            {"action": action},
        )
        # task-1 is a command, task-2 a named task.
        for task, action, expected in (
            *(("task-1", action, API_OPERATE) for action in ("pause", "resume", "cancel")),
            *(("task-1", action, API_COMMAND) for action in ("retry", "input")),
            *(("task-2", action, API_OPERATE) for action in ("pause", "resume", "cancel", "retry", "input")),
        )
    ),
    rule("GET", "api/v1/^chat/contexts/?$", "/api/v1/chat/contexts", API_READ),
    rule("GET", "api/v1/^chat/conversations/?$", "/api/v1/chat/conversations", API_READ),
    rule("POST", "api/v1/^chat/conversations/?$", "/api/v1/chat/conversations", API_OPERATE, {"context": "*:*"}),
    rule("GET", f"{CONVERSATION}/?$", "/api/v1/chat/conversations/c1", API_READ),
    rule("POST", f"{CONVERSATION}/messages/?$", "/api/v1/chat/conversations/c1/messages", API_OPERATE, {"text": "a"}),
    rule("GET", "api/v1/^chat/steps/(?P<step_id>[^/]+)/?$", "/api/v1/chat/steps/call-1", API_READ),
    rule("POST", "api/v1/^chat/turns/(?P<turn_id>[^/]+)/stop/?$", "/api/v1/chat/turns/t/stop", API_OPERATE, {}),
    rule("POST", "api/v1/^chat/turns/(?P<turn_id>[^/]+)/retry/?$", "/api/v1/chat/turns/t/retry", API_OPERATE, {}),
    rule(
        "POST",
        "api/v1/^chat/turns/(?P<turn_id>[^/]+)/fixes/(?P<number>[0-9]{1,2})/?$",
        "/api/v1/chat/turns/t/fixes/1",
        API_OPERATE,
        {},
    ),
    rule(
        "POST",
        "api/v1/^chat/approvals/(?P<approval_id>[^/]+)/?$",
        "/api/v1/chat/approvals/a",
        API_OPERATE,
        {"decision": "approve"},
    ),
    rule("GET", f"{CONVERSATION}/context/?$", "/api/v1/chat/conversations/c1/context", API_READ),
    rule("GET", "api/v1/^chat/audit/?$", "/api/v1/chat/audit", API_READ),
    rule("GET", "api/v1/^memory/?$", "/api/v1/memory", API_READ),
    rule("GET", "api/v1/^memory/(?P<file_id>[0-9]{1,18})/?$", "/api/v1/memory/1", API_READ),
    rule("GET", "api/v1/^history/?$", "/api/v1/history", API_READ),
    rule("GET", "api/v1/", "/api/v1/nonsense", NO_SUCH_ROUTE),
]

ADMIN = [
    rule("GET", "admin/", "/admin/", ADMIN_PAGE),
    rule("GET", "admin/login/", "/admin/login/", (302, 403, 403, 403, 302)),
    rule("POST", "admin/login/", "/admin/login/", (302, 403, 403, 403, 302)),
    rule("POST", "admin/logout/", "/admin/logout/", (302, 403, 403, 403, 200)),
    rule("GET", "admin/password_change/", "/admin/password_change/", ADMIN_MOVED),
    rule("GET", "admin/password_change/done/", "/admin/password_change/done/", ADMIN_PAGE),
    rule("GET", "admin/autocomplete/", "/admin/autocomplete/", ADMIN_REFUSED),
    rule("GET", "admin/jsi18n/", "/admin/jsi18n/", ADMIN_PAGE),
    rule(
        "GET",
        "admin/r/<path:content_type_id>/<path:object_id>/",
        "/admin/r/1/1/",
        (302, 403, 403, 403, 404),
    ),
    rule("GET", "admin/auth/user/<id>/password/", "/admin/auth/user/0/password/", (302, 403, 403, 403, 404)),
    rule("GET", "admin/^(?P<app_label>nodes|auth|dashboard|chat)/$", "/admin/nodes/", ADMIN_PAGE),
    rule("GET", "admin/(?P<url>.*)$", "/admin/nonsense/", (302, 403, 403, 403, 404)),
]


def model_rules() -> Iterator[AccessRule]:
    """Each model's five pages, for a row that does not exist, which redirects to the index."""
    for model, model_admin in admin.site._registry.items():
        prefix = f"admin/{model._meta.app_label}/{model._meta.model_name}/"
        is_history = isinstance(model_admin, HistoryAdmin)
        add, change = (ADMIN_REFUSED, ADMIN_REFUSED) if is_history else (ADMIN_PAGE, ADMIN_MOVED)
        yield rule("GET", prefix, f"/{prefix}", ADMIN_PAGE)
        yield rule("GET", f"{prefix}add/", f"/{prefix}add/", add)
        yield rule("POST", f"{prefix}add/", f"/{prefix}add/", add)
        yield rule("GET", f"{prefix}<path:object_id>/history/", f"/{prefix}0/history/", ADMIN_MOVED)
        yield rule("GET", f"{prefix}<path:object_id>/change/", f"/{prefix}0/change/", ADMIN_MOVED)
        yield rule("POST", f"{prefix}<path:object_id>/change/", f"/{prefix}0/change/", change)
        yield rule("POST", f"{prefix}<path:object_id>/delete/", f"/{prefix}0/delete/", change)
        yield rule("GET", f"{prefix}<path:object_id>/", f"/{prefix}0/", ADMIN_MOVED)


PAGES = [
    *(rule("GET", section.path, f"/{section.path}", PAGE) for section in SECTIONS),
    rule("GET", "tasks/<str:task_id>/", "/tasks/task-1/", PAGE),
    rule("GET", "tasks/<str:task_id>/log", "/tasks/task-1/log", PAGE),
    rule("GET", "tasks/<str:task_id>/log.txt", "/tasks/task-1/log.txt", PAGE),
    rule("GET", "nodes/<str:node_id>/", "/nodes/master-1/", PAGE),
    rule("GET", "logs/search", "/logs/search?text=x", PAGE),
    rule("GET", "memory/<int:file_id>/", "/memory/1/", PAGE),
    rule("POST", "memory/<int:file_id>/change", "/memory/1/change", (302, 403, 403, 503, 503), {}),
    rule("GET", "memory/context/<str:conversation_id>/", "/memory/context/c1/", PAGE),
    rule("GET", "memory/request/<int:snapshot_id>.json", "/memory/request/1.json", PAGE),
    rule("GET", "live-ticket", "/live-ticket", (401, 403, 200, 200, 200)),
]

RULES = [*PAGES, *ACCOUNTS, *API, *ADMIN, *model_rules()]


@pytest.fixture(scope="module")
def people(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[People]:
    with rows_of_many_tests(django_db_blocker):
        made = make_people()
        make_history()
        for person in PEOPLE:
            made.browser(person)
        services.use_gateway(NoLeader())
        yield made
        services.use_gateway(None)


def test_every_route_has_a_row() -> None:
    assert set(all_routes()) == {row.route for row in RULES}


def by_session(row: AccessRule, people: People, person: str) -> HttpResponse:
    # Pages get a form, the API gets JSON.
    kind = {"content_type": "application/json"} if row.route.startswith("api/") else {}
    return getattr(people.browser(person), row.method.lower())(row.path, row.body, **kind)


def by_token(row: AccessRule, people: People, person: str) -> HttpResponse:
    browser = people.browser("anonymous")
    send = getattr(browser, row.method.lower())
    return send(row.path, row.body, content_type="application/json", headers=people.headers(person))


@pytest.mark.parametrize("row", RULES, ids=str)
def test_each_role_gets_its_status(row: AccessRule, people: People) -> None:
    met = {person: by_session(row, people, person).status_code for person in PEOPLE}

    assert met == {person: row.status_for(person) for person in PEOPLE}


@pytest.mark.parametrize("row", API, ids=str)
def test_an_api_token_has_its_users_access(row: AccessRule, people: People) -> None:
    met = {person: by_token(row, people, person).status_code for person in PEOPLE}

    assert met == {person: row.status_for(person) for person in PEOPLE}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_an_api_route_has_no_other_methods(method: str, people: People) -> None:
    routes = {row.route: row.path for row in API}
    for route, path in routes.items():
        if any(row.method == method and row.route == route for row in API):
            continue
        for person in PEOPLE:
            # With CSRF checks: without a token, too, the method is what is wrong.
            browser = people.browser(person, enforce_csrf_checks=True)
            answer = browser.generic(method, path, b"{}", content_type="application/json")
            assert answer.status_code == (404 if path == "/api/v1/nonsense" else 405), f"{person}: {method} {path}"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_an_admin_page_has_no_other_methods(method: str, people: People) -> None:
    for row in ADMIN:
        answer = people.browser("admin", enforce_csrf_checks=True).generic(method, row.path)
        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, POST"), f"{method} {row.path}"


def test_too_many_parameters_leave_no_traceback(people: People, caplog: pytest.LogCaptureFixture) -> None:
    for person in PEOPLE:
        answer = people.browser(person).get("/api/v1/tasks/?" + "a=1&" * 1100)

        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad-request"), person
    assert not [record for record in caplog.records if record.exc_info]


def test_an_api_token_gives_no_access_to_pages(people: People) -> None:
    for row in (*PAGES, *ADMIN):
        if row.method == "GET":
            status = people.browser("anonymous").get(row.path, headers=people.headers("admin")).status_code
            assert status == row.status_for("anonymous"), row


def test_each_role_has_the_rights_of_the_role_below() -> None:
    rights = [RIGHTS[role] for role in Role]

    assert all(fewer < more for fewer, more in pairwise(rights))
