"""Pages also work without scripts: what they show, to whom, and at what cost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from dashboard.live.messages import Run
from dashboard.pages.sections import SECTIONS, Section
from dashboard.rights import Right, Role, require_right
from dashboard.templatetags import agentflow
from nodes.leader.projection.node_messages import MetricsFields
from nodes.models import Attempt, Command, Event, Journal, LogLine
from tests.unit.pages.conftest import add_alert, add_node, add_task

AsRole = Callable[[str], Client]

PAGES = [*(f"/{section.path}" for section in SECTIONS), "/tasks/t-1/", "/nodes/master-1/"]
DOORS = [*PAGES, "/tasks/t-1/log", "/tasks/t-1/log.txt", "/logs/search", "/live-ticket"]


def text_of(response: HttpResponse) -> str:
    return response.content.decode()


def data_of(response: HttpResponse, name: str) -> Any:
    found = re.search(rf'<script id="{name}" type="application/json">(.*?)</script>', text_of(response), re.S)
    assert found
    return json.loads(found[1])


# --- access ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize(("role", "expected"), [("viewer", 200), ("operator", 200), ("admin", 200), ("nobody", 403)])
def test_every_page_requires_the_right_to_view(
    cluster: None, as_role: AsRole, path: str, role: str, expected: int
) -> None:
    assert as_role(role).get(path).status_code == expected


@pytest.mark.parametrize("path", [*PAGES, "/tasks/t-1/log", "/tasks/t-1/log.txt"])
def test_anonymous_users_are_redirected_to_the_login_page(cluster: None, client: Client, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 302
    assert response["Location"].startswith(reverse("dashboard:login"))


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_pages_accept_only_get(cluster: None, as_role: AsRole, path: str, role: str) -> None:
    client = as_role(role)
    for client.handler.enforce_csrf_checks in (False, True):
        response = client.post(path)

        assert (response.status_code, response["Allow"]) == (405, "GET")


def test_a_form_without_its_token_is_still_refused(client: Client) -> None:
    assert Client(enforce_csrf_checks=True).post("/login/", {"username": "a", "password": "b"}).status_code == 403


@pytest.mark.parametrize("path", ["/tasks/t-1/log.txt", "/logs/search", "/", "/login/", "/api/v1/me/", "/nope/"])
def test_every_response_is_private_to_this_site_and_not_stored(cluster: None, as_role: AsRole, path: str) -> None:
    response = as_role("viewer").get(path)

    assert "no-store" in response["Cache-Control"]
    assert "camera=()" in response["Permissions-Policy"]
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/tasks/nope/", "/tasks/t-1/?attempt=7", "/nodes/nope/", "/tasks/nope/log", "/nope/"])
def test_missing_objects_are_not_found(cluster: None, as_role: AsRole, path: str) -> None:
    assert as_role("viewer").get(path).status_code == 404


@pytest.mark.parametrize("template", ["403.html", "403_csrf.html", "404.html", "500.html"])
def test_error_pages_need_no_context(template: str) -> None:
    """Also for server errors, whose page is rendered without a request."""
    assert "AgentFlow" in render_to_string(template)


@pytest.mark.parametrize(
    ("role", "shown", "hidden"),
    [
        ("viewer", ["role-viewer"], ["may-operate", "may-run-commands", 'id="new-task"', 'id="cancel-dialog"']),
        ("operator", ["role-operator may-operate", 'id="new-task"'], ["may-run-commands", 'name="command"']),
        ("admin", ["role-admin may-operate may-run-commands", 'name="command"'], []),
    ],
)
def test_role_decides_what_is_offered(
    cluster: None, as_role: AsRole, role: str, shown: list[str], hidden: list[str]
) -> None:
    text = text_of(as_role(role).get("/"))

    assert [part for part in shown if part not in text] == []
    assert [part for part in hidden if part in text] == []


# --- sections -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "label"), [("en", "Work log"), ("zh-hans", "执行历史")])
def test_sections_are_in_the_sidebar_and_in_the_shortcut_list(
    cluster: None, as_role: AsRole, language: str, label: str
) -> None:
    text = text_of(as_role("viewer").get("/history/", headers={"Accept-Language": language}))

    for section in SECTIONS:
        assert f'<a href="{section.url}" data-jump="{section.key}"' in text
        assert f"<dt><kbd>g</kbd> <kbd>{section.key}</kbd></dt>" in text
    assert re.findall(r'data-command="([^"]+)"[^>]* aria-current="page"', text) == [label]
    assert f"<kbd>w</kbd></dt><dd>{label}</dd>" in text


def test_a_section_is_hidden_from_those_who_may_not_open_it(monkeypatch: pytest.MonkeyPatch) -> None:
    @require_GET
    @require_right(Right.MANAGE)
    def billing(request: HttpRequest) -> HttpResponse:
        raise AssertionError("only listed here")

    section = Section(name="billing", path="billing/", view=billing, label="Billing", icon="x", key="b")
    monkeypatch.setattr(agentflow, "SECTIONS", (section,))

    assert agentflow.visible_sections(Role.OPERATOR) == []
    assert agentflow.visible_sections(Role.ADMIN) == [section]


def test_sections_differ_in_their_keys() -> None:
    assert len({section.key for section in SECTIONS}) == len(SECTIONS)


# --- content --------------------------------------------------------------------------------


def test_overview_is_a_rendered_snapshot(cluster: None, as_role: AsRole) -> None:
    response = as_role("viewer").get("/")
    data = data_of(response, "page-data")

    assert data["store"]
    assert data["seq"].isdigit()
    assert {node["id"] for node in data["nodes"]} == {"master-1", "master-2", "edge-1"}
    assert {task["id"] for task in data["tasks"]} == {"t-1", "t-2", "t-3"}
    assert [alert["message"] for alert in data["alerts"]] == ["master-2 is gone"]
    assert len(data["logs"][0]["lines"]) >= 1
    assert 'data-topics="nodes tasks alerts logs"' in text_of(response)


@pytest.mark.parametrize(
    ("language", "pending", "alert", "ended"),
    [
        (
            "en",
            "waiting for a free slot on master-1",
            "no output, CPU or I/O progress for 120 s",
            "timed out after 9 s",
        ),
        ("zh-hans", "等待 master-1 的空闲槽位", "已有 120 秒没有输出，也没有 CPU 或 I/O 活动", "运行 9 秒后超时"),
    ],
)
def test_own_messages_are_in_the_readers_language(
    cluster: None, as_role: AsRole, language: str, pending: str, alert: str, ended: str
) -> None:
    slot = [{"code": "slot", "values": {"nodes": "master-1"}}]
    add_task("t-4", state="pending", node=None, pending_reason="in English", pending_parts=slot)
    parts = [{"code": "timed-out", "values": {"seconds": "9"}}]
    add_task("t-5", state="timed_out", message="in English", message_parts=parts)
    Attempt.objects.filter(task="t-5").update(message="in English", message_parts=parts)
    add_alert(message="in English", message_parts=[{"code": "stalled", "values": {"seconds": "120"}}])
    client = as_role("viewer")
    text = {path: text_of(client.get(path, headers={"Accept-Language": language})) for path in ("/", "/history/")}
    text = {path: re.sub("<script.*?</script>", "", page, flags=re.S) for path, page in text.items()}

    assert f'data-field="note">{pending}</p>' in text["/"]
    assert f'data-field="message">{alert}</p>' in text["/"]
    assert f">{ended}</p>" in text["/history/"]
    assert "in English" not in text["/"] + text["/history/"]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"task_id": "t-1", "task_name": "<b>deploy", "attempt": 1}, "&lt;b&gt;deploy"),
        ({"task_id": "t-1", "task_name": "deploy", "attempt": 3}, "deploy #3"),
        ({"task_id": "gone", "task_name": "deploy", "attempt": 1}, "deploy"),
        ({"task_id": "t-1"}, "t-1"),
    ],
)
def test_alert_names_its_task_and_node(cluster: None, as_role: AsRole, fields: dict[str, Any], shown: str) -> None:
    alert = add_alert(**fields)

    text = text_of(as_role("viewer").get("/"))

    row = text[text.index(f'id="alert-{alert.pk}"') :].partition("</li>")[0]
    assert f'href="/tasks/{fields["task_id"]}/">{shown}</a>' in row
    assert 'href="/nodes/master-1/">master-1</a>' in row
    assert "silent since noon" in row


def test_problems_come_first(cluster: None, as_role: AsRole) -> None:
    text = text_of(as_role("viewer").get("/"))

    assert text.index('id="node-master-2"') < text.index('id="node-master-1"') < text.index('id="node-edge-1"')
    assert text.index('id="task-t-1"') < text.index('id="task-t-2"')


def test_program_text_is_never_markup(cluster: None, as_role: AsRole) -> None:
    add_task("t-4", message="</script><img src=x>", lines=0)
    client = as_role("viewer")

    for path in ("/", "/tasks/", "/tasks/t-4/", "/history/"):
        text = text_of(client.get(path))
        assert "<b>linking" not in text
        assert "<img src=x>" not in text


def test_task_of_an_unreachable_node_is_not_shown_as_running(cluster: None, as_role: AsRole) -> None:
    add_task("t-5", node="master-2")

    text = text_of(as_role("viewer").get("/tasks/t-5/"))

    assert re.search(r'data-field="state" data-tone="warn".*?Unknown', text, re.S)


def test_task_page_shows_state_command_and_log(cluster: None, as_role: AsRole) -> None:
    response = as_role("viewer").get("/tasks/t-1/")
    data = data_of(response, "page-data")

    assert data["logs"][0]["lines"][0][1] == 1
    assert [line[5] for line in data["logs"][0]["lines"]] == [f"\x1b[31mline {n}\x1b[0m" for n in (1, 2, 3)]
    assert "42%" in text_of(response)
    assert 'data-topics="nodes alerts task:t-1"' in text_of(response)
    # Without the script: no control sequences.
    assert '<span class="log-text">line 2</span>' in text_of(response)


def test_log_is_paged_upwards_by_line_number(cluster: None, as_role: AsRole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.pages.tasks.LOG_CHUNK", 10)
    add_task("t-6", lines=25)
    client = as_role("viewer")

    newest = data_of(client.get("/tasks/t-6/"), "page-data")["logs"][0]["lines"]
    older = client.get("/tasks/t-6/log?before=16&attempt=1").json()
    oldest = client.get("/tasks/t-6/log?before=6").json()

    assert [line[1] for line in newest] == [*range(16, 26)]
    assert [line[1] for line in older["logs"][0]["lines"]] == [*range(6, 16)]
    assert [line[1] for line in oldest["logs"][0]["lines"]] == [*range(1, 6)]
    assert (older["hasMore"], oldest["hasMore"]) == (True, False)


def test_missing_lines_are_shown_at_their_place(cluster: None, as_role: AsRole) -> None:
    add_task("t-6", lines=9)
    LogLine.objects.filter(task_id="t-6", number__in=[1, 2, 6, 8, 9]).delete()

    response = as_role("viewer").get("/tasks/t-6/")

    rows = re.findall(r'<span class="log-text">(.*?)</span>', text_of(response))
    assert rows == [
        "Lines 1 to 2 are no longer available: the node no longer had them",
        *("line 3", "line 4", "line 5"),
        "Line 6 is no longer available: the node no longer had them",
        "line 7",
        "Lines 8 to 9 are no longer available: the node no longer had them",
    ]
    gaps = data_of(response, "page-data")["gaps"]
    assert [(gap["firstLine"], gap["lines"]) for gap in gaps] == [(1, 2), (6, 1), (8, 2)]


def test_older_lines_are_found_beyond_a_gap(cluster: None, as_role: AsRole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.pages.tasks.LOG_CHUNK", 10)
    add_task("t-6", lines=30)
    LogLine.objects.filter(task_id="t-6", number__range=(8, 22)).delete()
    client = as_role("viewer")

    seen: list[int] = []
    answer = {"hasMore": True, "before": 31}
    while answer["hasMore"]:
        answer = client.get(f"/tasks/t-6/log?before={answer['before']}").json()
        seen = [*(line[1] for line in answer["logs"][0]["lines"]), *seen]

    assert seen == [*range(1, 8), *range(23, 31)]


def searched(client: Client, query: str) -> Any:
    levels = "&".join(f"level={level}" for level in ("debug", "info", "warning", "error"))
    return client.get(f"/logs/search?{query}&{levels}").json()


def numbers_of(answer: Any) -> list[int]:
    return [line[1] for batch in answer["logs"] for line in batch["lines"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("text=LINE+2", {2, 12}),
        ("text=line+-lost+-2", {1, 3, 4, 6, 7, 8, 9}),
        ("text=-", set()),
        (r"text=.*", set()),
        ("text=lost", {5}),
        ("node=master-2", set()),
    ],
)
def test_log_is_searched_by_the_words_of_the_filter(
    cluster: None, as_role: AsRole, query: str, found: set[int]
) -> None:
    add_task("t-6", lines=12)
    LogLine.objects.filter(task_id="t-6", number=5).update(text="line lost")
    LogLine.objects.filter(task_id="t-6", number__gt=9).update(text="line 2", number=12)
    client = as_role("viewer")

    answer = searched(client, f"task=t-6&attempt=1&{query}")

    assert set(numbers_of(answer)) == found
    assert answer["before"] is None


def test_level_and_node_filter_a_search(cluster: None, as_role: AsRole) -> None:
    add_task("t-6", lines=4, node="edge-1")
    LogLine.objects.filter(task_id="t-6", number=2).update(level=40)
    client = as_role("viewer")

    assert numbers_of(client.get("/logs/search?node=edge-1&level=error").json()) == [2]
    assert numbers_of(client.get("/logs/search?node=edge-1").json()) == []
    assert numbers_of(searched(client, "node=master-1")) == [1, 2, 3]


def test_search_reads_a_bounded_part_and_returns_its_position(
    cluster: None, as_role: AsRole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodes.selectors.output.SEARCH_LINES", 10)
    monkeypatch.setattr("nodes.selectors.output.SEARCH_MATCHES", 3)
    add_task("t-6", lines=25)
    client = as_role("viewer")

    first = searched(client, "task=t-6&attempt=1&text=nothing")
    second = searched(client, f"task=t-6&attempt=1&text=line&before={first['before']}")
    with CaptureQueriesContext(connection) as queries:
        rest = searched(client, f"task=t-6&attempt=1&before={second['before']}&text=%22")

    assert (numbers_of(first), first["line"]) == ([], 16)
    assert (numbers_of(second), second["line"]) == ([13, 14, 15], 13)
    assert (numbers_of(rest), rest["line"], rest["before"] is None) == ([], 3, False)
    plan = next(query["sql"] for query in queries if "nodes_logline" in query["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {plan}")
        assert "log_by_task" in cursor.fetchall()[0][-1]


@pytest.mark.parametrize(
    "query", ["before=x", "before=99999999999999999999", "attempt=-1", "text=" + "a" * 5000, "level=no"]
)
def test_unusual_searches_find_nothing_or_everything(cluster: None, as_role: AsRole, query: str) -> None:
    assert as_role("viewer").get(f"/logs/search?{query}").status_code == 200


def test_node_page_shows_gaps_in_its_history(cluster: None, as_role: AsRole) -> None:
    Journal.objects.create(id="j", node_id="master-1", lane="logs", seq=4999)
    detail = {"from_seq": 1, "to_seq": 4999, "reason": "trimmed", "lines": 0}
    Event.objects.create(
        journal_id="j",
        seq=4999,
        node_id="master-1",
        kind="gap",
        received_at=timezone.now(),
        detail=detail,
        task_id="t-1",
    )

    text = text_of(as_role("viewer").get("/nodes/master-1/"))

    assert "Entries 1 to 4,999 are no longer available: the node deleted them to free space" in text
    assert '<a data-field="gapTask" href="/tasks/t-1/">name of t-1</a>' in text
    assert "Entries 1 to" not in text_of(as_role("operator").get("/nodes/master-2/"))


def test_open_command_is_shown_beside_its_task(cluster: None, as_role: AsRole) -> None:
    now = timezone.now()
    moments = {"created_at": now, "expires_at": now, "changed_at": now}
    Command.objects.create(
        id="c-1", kind="cancel", task_id="t-1", node="master-1", state="acked", actor="ada", **moments
    )
    Command.objects.create(
        id="c-2", kind="pause", task_id="t-1", node="master-1", state="failed", code="finished", actor="bob", **moments
    )
    client = as_role("viewer")

    page = text_of(client.get("/tasks/t-1/"))

    assert "The task has already ended." in page
    for path in ("/", "/tasks/", "/nodes/master-1/"):
        data = data_of(client.get(path), "page-data")
        assert {command["id"] for command in data["commands"]} == {"c-1", "c-2"}


def test_full_log_is_downloaded_as_text(cluster: None, as_role: AsRole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.pages.tasks.LOG_CHUNK", 4)
    add_task("t-6", lines=9)

    viewer = as_role("viewer")
    response = viewer.get("/tasks/t-6/log.txt")

    body = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    assert body.splitlines() == [f"line {number}" for number in range(1, 10)]
    response = viewer.get("/tasks/t-6/log.txt?raw=1")
    body = b"".join(response.streaming_content).decode()  # type: ignore[attr-defined]
    assert body.splitlines() == [f"\x1b[31mline {number}\x1b[0m" for number in range(1, 10)]
    assert response["Content-Disposition"].startswith("attachment")
    assert response["Content-Type"].startswith("text/plain")


def test_retried_task_shows_each_attempt(cluster: None, as_role: AsRole) -> None:
    task = add_task("t-7", state="running", attempt=2)
    Attempt.objects.create(task=task, number=1, node_id="master-1", state="failed", created_at=task.created_at)
    client = as_role("viewer")

    first = text_of(client.get("/tasks/t-7/?attempt=1"))

    newest = text_of(client.get("/tasks/t-7/"))

    assert 'data-attempt="1" aria-current="page"' in first
    assert "<title>name of t-7 #1 · AgentFlow</title>" in first
    assert re.search(
        r'id="newer-attempt">.*This is attempt #1; the newest is #2\..*href="/tasks/t-7/">Go to', first, re.S
    )
    assert 'data-attempt="2" aria-current="page"' in newest
    assert "<title>name of t-7 #2 · AgentFlow</title>" in newest
    assert 'id="newer-attempt" hidden' in newest


def test_count_of_commands_says_when_there_may_be_more(
    cluster: None, as_role: AsRole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodes.selectors.tasks.PAGE_ROWS", 2)
    monkeypatch.setattr("dashboard.pages.tasks.PAGE_ROWS", 2)
    now = timezone.now()
    for number in range(3):
        Command.objects.create(
            id=f"c{number}", kind="pause", task_id="t-1", created_at=now, expires_at=now, changed_at=now
        )

    client = as_role("viewer")

    assert 'id="command-count" data-more="+">2+<' in text_of(client.get("/tasks/t-1/"))
    assert 'id="command-count">0<' in text_of(client.get("/tasks/t-2/"))


def test_node_page_shows_projects_and_own_tasks(cluster: None, as_role: AsRole) -> None:
    text = text_of(as_role("operator").get("/nodes/master-1/"))

    assert "make test" in text
    assert 'data-preset-task="test"' in text
    assert 'data-rows="node:master-1"' in text
    assert 'id="task-t-1"' in text
    assert 'id="task-t-2"' not in text


def test_node_page_shows_every_metric(cluster: None, as_role: AsRole) -> None:
    head = text_of(as_role("viewer").get("/nodes/master-1/")).split('id="node-head"')[1].split("</section>")[0]

    metrics = set(MetricsFields.__annotations__) - {"gpus"}
    assert metrics - set(re.findall(r'data-(?:text|meter)="(\w+)"', head)) == set()


def test_logs_of_one_node_have_their_own_topic(cluster: None, as_role: AsRole) -> None:
    client = as_role("viewer")

    assert 'data-topics="nodes tasks alerts logs:master-1"' in text_of(client.get("/logs/?node=master-1"))
    assert 'data-topics="nodes tasks alerts logs"' in text_of(client.get("/logs/?node=no such node"))


@pytest.mark.parametrize("path", ["/logs/", "/logs/?node=master-1"])
def test_log_lines_name_their_task(cluster: None, as_role: AsRole, path: str) -> None:
    response = as_role("viewer").get(path)

    assert '<span class="log-node">master-1 · name of t-1</span>' in text_of(response)
    assert {task["id"] for task in data_of(response, "page-data")["tasks"]} == {"t-1"}


def test_new_task_form_names_fields_of_the_message(cluster: None, as_role: AsRole) -> None:
    form = text_of(as_role("admin").get("/")).split('id="new-task"')[1].split("</dialog>")[0]
    named = re.findall(r'name="(\w+)" data-run', form)

    assert len(named) == form.count("data-run")
    assert set(named) <= set(Run.__struct_encode_fields__)


# --- filters --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"t-1", "t-2", "t-3"}),
        ("state=failed", {"t-2"}),
        ("state=open", {"t-1", "t-3"}),
        ("state=nonsense", {"t-1", "t-2", "t-3"}),
        ("node=master-1", {"t-1"}),
        ("text=of t-3", {"t-3"}),
        ("page=9", set()),
        ("page=x", {"t-1", "t-2", "t-3"}),
    ],
)
def test_task_list_is_filtered(cluster: None, as_role: AsRole, query: str, found: set[str]) -> None:
    text = text_of(as_role("viewer").get(f"/tasks/?{query}"))

    assert set(re.findall(r'id="task-(t-\d)"', text)) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [("", 3), ("state=offline", 1), ("text=SHOP", 3), ("text=edge", 1), ("text=master-1", 2), ("text=zzz", 0)],
)
def test_node_list_is_filtered(cluster: None, as_role: AsRole, query: str, found: int) -> None:
    text = text_of(as_role("viewer").get(f"/nodes/?{query}"))

    assert len(re.findall(r'id="node-(?:master|edge)-\d"', text)) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 3),
        ("node=master-2", 1),
        ("state=failed", 1),
        ("project=shop", 3),
        ("project=other", 0),
        ("text=of t-2", 1),
        ("since=2099-01-01", 0),
        ("until=2020-01-01", 0),
        ("since=2020-01-01&until=2099-01-01", 3),
    ],
)
def test_work_log_is_filtered(cluster: None, as_role: AsRole, query: str, found: int) -> None:
    text = text_of(as_role("viewer").get(f"/history/?{query}"))

    assert text.count('<td class="cell-name">') == found


@pytest.mark.parametrize(("role", "found"), [("viewer", 0), ("operator", 0), ("admin", 3)])
def test_a_search_finds_a_command_only_for_those_who_see_it(
    cluster: None, as_role: AsRole, role: str, found: int
) -> None:
    text = text_of(as_role(role).get("/history/?text=make"))

    assert text.count('<td class="cell-name">') == found


def test_wrong_date_is_reported_and_filters_nothing(cluster: None, as_role: AsRole) -> None:
    text = text_of(as_role("viewer").get("/history/?since=yesterday"))

    assert 'role="alert"' in text
    assert text.count('<td class="cell-name">') == 3


@pytest.mark.parametrize("path", ["/tasks/", "/nodes/", "/history/"])
def test_htmx_gets_only_the_same_part(cluster: None, as_role: AsRole, path: str) -> None:
    client = as_role("viewer")
    whole = text_of(client.get(path))
    part = client.get(path, headers={"HX-Request": "true"})

    assert "<html" not in text_of(part)
    assert set(re.findall(r'id="((?:task|node)-[a-z]+-\d)"', text_of(part))) <= set(re.findall(r'id="([^"]+)"', whole))
    assert part["Vary"] == "HX-Request" or "HX-Request" in part["Vary"]
    assert "no-store" in part["Cache-Control"]


def test_filtered_list_gets_no_new_rows(cluster: None, as_role: AsRole) -> None:
    client = as_role("viewer")

    assert 'data-rows="all"' in text_of(client.get("/tasks/"))
    assert 'data-rows="known"' in text_of(client.get("/tasks/?state=failed"))
    assert 'data-rows="known"' in text_of(client.get("/tasks/?page=2"))


def test_pages_are_linked_with_their_filters(cluster: None, as_role: AsRole) -> None:
    for number in range(60):
        add_task(f"x-{number}", state="succeeded")

    text = text_of(as_role("viewer").get("/tasks/?state=succeeded&page=1"))

    assert 'rel="next"' in text
    assert "/tasks/?state=succeeded&amp;page=2" in text
    assert 'rel="prev"' not in text


# --- cost and safety ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_the_position_is_read_before_anything_that_changes(cluster: None, as_role: AsRole, path: str) -> None:
    """Otherwise a change in between is neither in the page nor sent to it."""
    browser = as_role("viewer")
    with CaptureQueriesContext(connection) as queries:
        browser.get(path)

    reads = [re.findall(r'FROM "(nodes_\w+)"', query["sql"]) for query in queries]
    tables = [names[0] for names in reads if names]
    assert tables[0] == "nodes_store"


@pytest.mark.parametrize("path", PAGES)
def test_queries_do_not_grow_with_the_cluster(cluster: None, as_role: AsRole, path: str) -> None:
    client = as_role("viewer")
    client.get(path)
    with CaptureQueriesContext(
        connection,
    ) as small:
        client.get(path)
    for number in range(20):
        add_node(f"edge-{number + 10}", role="edge", parent="master-1")
        add_task(f"more-{number}", node=f"edge-{number + 10}", lines=2)

    with CaptureQueriesContext(connection) as large:
        client.get(path)

    assert len(large) == len(small)
    assert len(large) <= 16


@pytest.mark.parametrize("path", PAGES)
def test_pages_need_no_inline_style_or_script(cluster: None, as_role: AsRole, path: str) -> None:
    response = as_role("admin").get(path)
    text = text_of(response)

    assert re.findall(r"<[^>]+\sstyle=", text) == []
    assert re.findall(r"<[^>]+\son[a-z]+=", text) == []
    scripts = re.findall(r"<script([^>]*)>", text)
    assert [tag for tag in scripts if "src=" not in tag and "application/json" not in tag] == []
    assert "unsafe" not in response["Content-Security-Policy"]
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("path", [*PAGES, "/login/"])
def test_ids_are_unique(cluster: None, as_role: AsRole, path: str) -> None:
    client = as_role("admin") if path != "/login/" else Client()
    ids = re.findall(r'\sid="([^"]+)"', text_of(client.get(path)))
    # Row templates are in <template> elements, which are not part of the document.
    named = [name for name in ids if not name.endswith("-")]

    assert sorted(named) == sorted(set(named))


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_compressed_and_hold_no_secret(cluster: None, as_role: AsRole, path: str) -> None:
    """A page repeats parts of its address, so compressed lengths could reveal a secret in it (BREACH)."""
    client = as_role("admin")
    plain, packed = client.get(path), client.get(path, headers={"Accept-Encoding": "gzip"})

    assert packed["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed["Vary"]
    assert len(packed.content) < len(plain.content) / 2
    lengths = {len(client.get(path, headers={"Accept-Encoding": "gzip"}).content) for _ in range(6)}
    assert len(lengths) > 1, "the length is not blurred"
    session = client.session.session_key
    assert session is not None
    assert session not in text_of(plain)
    secret = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text_of(plain))
    assert secret is None or secret[1] not in text_of(client.get(path))


def test_overview_renders_visible_rows_and_counts_the_rest(cluster: None, as_role: AsRole) -> None:
    for number in range(60):
        add_node(f"edge-{number:02}", role="edge", parent="master-1")
        add_task(f"many-{number:02}", node="master-1")

    response = as_role("viewer").get("/")
    text, data = text_of(response), data_of(response, "page-data")

    assert text.count('<tr id="node-') - text.count('<tr id="node-"') == 20
    assert text.count('<tr id="task-') - text.count('<tr id="task-"') == 20
    assert re.search(rf'id="node-count">{len(data["nodes"])}<', text)
    assert f"Show all {len(data['tasks'])}" in text
    # The script continues where the server's rows end.
    assert re.findall(r'<tr id="task-([\w-]+)"', text)[:20] == [task["id"] for task in data["tasks"]][:20]


def test_ticket_is_for_those_who_are_logged_in(cluster: None, as_role: AsRole, client: Client) -> None:
    response = as_role("viewer").get("/live-ticket")

    assert response.json()["ticket"]
    assert "no-store" in response["Cache-Control"]
    assert client.get("/live-ticket").status_code == 401


@pytest.mark.parametrize(
    ("cookie", "shown"), [("dark", 'data-theme="dark"'), ("light", 'data-theme="light"'), ('x"><script>', None)]
)
def test_theme_is_the_readers_choice(cluster: None, as_role: AsRole, cookie: str, shown: str | None) -> None:
    client = as_role("viewer")
    client.cookies["agentflow_theme"] = cookie

    text = text_of(client.get("/"))

    assert (shown in text) if shown else ("data-theme" not in text)


@pytest.mark.parametrize("path", ["/login/", "/", "/tasks/", "/history/"])
def test_pages_are_translated_to_chinese(cluster: None, as_role: AsRole, path: str) -> None:
    client = Client() if path == "/login/" else as_role("viewer")

    text = text_of(client.get(path, headers={"Accept-Language": "zh-hans"}))

    assert 'lang="zh-Hans"' in text
    assert {"/login/": "登录", "/": "集群总览", "/tasks/": "任务", "/history/": "执行历史"}[path] in text


def test_empty_cluster_says_what_to_do(db: None, as_role: AsRole) -> None:
    client = as_role("operator")

    for path in ("/", "/nodes/"):
        assert "manage.py token new" in text_of(client.get(path))
    assert "Run the first task" in text_of(client.get("/tasks/"))
