"""The REST API over a real store, and the document that lists it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.http import HttpResponse
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone
from msgspec import structs

from chat.models import Turn
from chat.phrases import phrase
from dashboard.api import urls
from dashboard.api.bodies import MAX_BODY_BYTES
from dashboard.api.requests import HistoryQuery, LogQuery, TaskQuery
from dashboard.api.throttles import Buckets, ChangeThrottle, RequestThrottle
from nodes import audit, services
from nodes.domain.commands import TaskSpec
from nodes.domain.states import Action
from nodes.errors import TaskRejected
from nodes.leader.scheduler.requests import ControlRequest
from nodes.models import Alert, Attempt, AuditEntry, LogLine, Node, Task
from tests.support.access import NoLeader, People, make_history, make_people

pytestmark = pytest.mark.django_db


class RecordingLeader:
    """A Leader that records its requests."""

    def __init__(self) -> None:
        self.submitted: list[tuple[TaskSpec, str]] = []
        self.controlled: list[ControlRequest] = []

    def submit(self, spec: TaskSpec, actor: str, task_id: str) -> str:
        assert not task_id  # A program does not choose the task's id.
        self.submitted.append((spec, actor))
        return "task-new"

    def control(self, request: ControlRequest) -> str:
        if request.task_id == "task-ended":
            raise TaskRejected("finished", "The task has ended.")
        self.controlled.append(request)
        return "command-1"


class Program:
    """The requests of one user's program."""

    def __init__(self, token: str) -> None:
        self._client = Client(headers={"Authorization": f"Bearer {token}"}, raise_request_exception=False)

    def get(self, path: str, **query: Any) -> HttpResponse:
        return self._client.get(f"/api/v1/{path}", query)

    def post(self, path: str, body: Any, content_type: str = "application/json") -> HttpResponse:
        return self._client.post(f"/api/v1/{path}", body, content_type=content_type)


@pytest.fixture
def people() -> People:
    return make_people()


@pytest.fixture
def leader() -> Iterator[RecordingLeader]:
    notebook = RecordingLeader()
    services.use_gateway(notebook)
    yield notebook
    services.use_gateway(None)


@pytest.fixture
def admin(people: People, leader: RecordingLeader) -> Program:
    return Program(people.tokens["admin"])


@pytest.fixture
def viewer(people: People, leader: RecordingLeader) -> Program:
    return Program(people.tokens["viewer"])


def add_task(number: int, *, state: str = "running", lines: int = 0) -> Task:
    now = timezone.now() + timedelta(seconds=number)
    node, _ = Node.objects.get_or_create(id=f"n{number % 2}", defaults={"role": "master", "state": "online"})
    spec = {"argv": ["make"], "environment": {"API_KEY": "canary"}}
    task = Task.objects.create(
        id=f"t{number}", name=f"build {number}", node=node, state=state, spec=spec, created_at=now
    )
    Attempt.objects.create(task=task, number=1, node=node, state=state, created_at=now, last_line=lines)
    LogLine.objects.bulk_create(
        LogLine(
            id=(number << 20) + line,
            node_id=node.id,
            task_id=task.id,
            attempt=1,
            number=line,
            at_ms=0,
            level=20,
            stream=1,
            text=f"line {line}",
        )
        for line in range(1, lines + 1)
    )
    return task


def error(answer: HttpResponse) -> tuple[int, str, str | None]:
    body = answer.json()["error"]
    return answer.status_code, body["code"], body["field"]


def test_me_returns_the_caller(viewer: Program) -> None:
    assert viewer.get("me/").json() == {"user": "user-viewer", "role": "viewer", "rights": ["view"]}


def test_a_token_that_is_wrong_is_not_replaced_by_a_session(people: People) -> None:
    browser = people.browser("admin")

    answer = browser.get("/api/v1/me/", headers={"Authorization": "Bearer aft_wrong"})

    assert error(answer)[:2] == (401, "bad-token")
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert browser.get("/api/v1/me/", headers={"Authorization": "Basic eDp5"}).status_code == 401
    assert browser.get("/api/v1/me/").status_code == 200


def test_a_session_needs_the_csrf_token_to_change_something(people: People, leader: RecordingLeader) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(people.users["admin"])

    answer = browser.post("/api/v1/tasks/", {"argv": ["id"]}, content_type="application/json")

    assert error(answer)[:2] == (403, "forbidden")
    assert leader.submitted == []


def test_tasks_are_paged_and_filtered(viewer: Program) -> None:
    for number in range(5):
        add_task(number, state="running" if number % 2 else "failed")

    first = viewer.get("tasks/", limit=2).json()
    second = viewer.get("tasks/", limit=2, page=2).json()
    running = viewer.get("tasks/", state="running").json()
    either = viewer.get("tasks/", state=["running", "failed"], node="n0", text="BUILD").json()

    assert [task["id"] for task in first["results"] + second["results"]] == ["t4", "t3", "t2", "t1"]
    assert first["hasMore"]
    assert [task["id"] for task in running["results"]] == ["t3", "t1"]
    assert [task["id"] for task in either["results"]] == ["t4", "t2", "t0"]


def test_an_unknown_query_parameter_is_refused(viewer: Program) -> None:
    assert error(viewer.get("tasks/", stat="running")) == (400, "unknown-field", "stat")
    assert error(viewer.get("nodes/", state="online")) == (400, "unknown-field", "state")
    assert error(viewer.get("tasks/", state="nonsense")) == (400, "bad-field", "state")


def test_queries_of_lists_do_not_grow_with_the_rows(viewer: Program, django_assert_max_num_queries: Any) -> None:
    for number in range(2):
        add_task(number)
    paths = ("nodes/", "tasks/", "history/", "counts/")
    counted = []
    for path in paths:
        viewer.get(path)
        with django_assert_max_num_queries(20) as queries:
            viewer.get(path)
        counted.append(len(queries.captured_queries))
    for number in range(2, 20):
        add_task(number)

    for path, most in zip(paths, counted, strict=True):
        with django_assert_max_num_queries(most):
            viewer.get(path)


def test_agentflows_own_texts_use_the_language_of_the_request(people: People) -> None:
    make_history()
    refused = phrase("refused.may-not", name="vic")
    Turn.objects.filter(id="turn-1").update(message="vic may not do this.", phrases={"message": refused})
    client = Client(headers={"Authorization": f"Bearer {people.tokens['viewer']}"})

    def turn(language: str) -> Any:
        return client.get("/api/v1/chat/conversations/c1/", headers={"Accept-Language": language}).json()["turns"][0]

    english, chinese = turn("en"), turn("zh-Hans")
    assert (english["message"], chinese["message"]) == ("vic may not do this.", "vic 无权执行此操作。")
    assert chinese["phrases"] == {"message": refused}
    # Texts that an earlier version stored stay as they are.
    assert english["analysis"] == chinese["analysis"]


def test_single_objects_and_missing_ones(viewer: Program) -> None:
    add_task(1)

    assert viewer.get("nodes/n1/").json()["state"] == "online"
    assert viewer.get("tasks/t1/").json()["name"] == "build 1"
    assert [attempt["attempt"] for attempt in viewer.get("tasks/t1/attempts/").json()["results"]] == [1]
    for path in ("nodes/x/", "tasks/x/", "tasks/x/log/", "tasks/x/attempts/"):
        assert error(viewer.get(path))[:2] == (404, "not-found")


def test_an_environment_is_for_administrators_and_its_secrets_for_nobody(viewer: Program, admin: Program) -> None:
    add_task(1)

    assert "environment" not in viewer.get("tasks/t1/").json()["spec"]
    assert admin.get("tasks/t1/").json()["spec"]["environment"] == {"API_KEY": "[redacted]"}


def test_alerts_and_the_evidence_of_one(viewer: Program) -> None:
    evidence = [{"id": "e1", "kind": "lines", "text": "name? <b>"}]
    now = timezone.now()
    row = Alert.objects.create(
        level="warning", kind="waiting", task_id="t1", message="m", evidence=evidence, opened_at=now
    )
    Alert.objects.create(level="error", kind="stalled", task_id="t2", message="m", opened_at=now, resolved_at=now)

    assert [alert["kind"] for alert in viewer.get("alerts/?open=true").json()["results"]] == ["waiting"]
    assert [alert["kind"] for alert in viewer.get("alerts/?task=t2").json()["results"]] == ["stalled"]
    assert viewer.get("alerts/?task=t1").json()["results"][0]["evidence"] == ["e1"]
    assert viewer.get(f"alerts/{row.pk}/").json()["evidence"] == evidence
    assert error(viewer.get("alerts/999/"))[:2] == (404, "not-found")


def test_a_log_is_read_to_its_end(viewer: Program) -> None:
    add_task(1, lines=25)
    texts: list[str] = []
    after: int | None = 0

    while after is not None:
        page = viewer.get("tasks/t1/log/", after=after, limit=10).json()
        texts += [line[5] for line in page["lines"]]
        after = page["next"]

    assert texts == [f"line {number}" for number in range(1, 26)]


def test_history_is_filtered_by_time(viewer: Program) -> None:
    for number in range(3):
        add_task(number * 100, state="succeeded")
    middle = Attempt.objects.get(task="t100").created_at

    since = viewer.get("history/", since=int(middle.timestamp() * 1000)).json()["results"]
    until = viewer.get("history/", until=int(middle.timestamp() * 1000)).json()["results"]

    assert (len(since), len(until)) == (2, 1)
    assert error(viewer.get("history/", since=10**15)) == (400, "bad-field", "since")


def test_a_task_is_submitted_as_requested(admin: Program, leader: RecordingLeader) -> None:
    answer = admin.post("tasks/", {"node": "n1", "argv": ["make", "all"], "timeoutSeconds": 60})

    assert (answer.status_code, answer.json(), answer["Location"]) == (
        201,
        {"id": "task-new"},
        "/api/v1/tasks/task-new",
    )
    assert leader.submitted == [
        (TaskSpec(node="n1", argv=("make", "all"), timeout_seconds=60.0), "user-admin"),
    ]


def test_an_operator_runs_named_tasks_only_as_they_are(people: People, leader: RecordingLeader) -> None:
    operator = Program(people.tokens["operator"])
    named = {"project": "demo", "namedTask": "build"}

    assert operator.post("tasks/", named).status_code == 201
    for more in ({"environment": {"PATH": "/tmp"}}, {"workingDirectory": "/tmp"}):
        assert error(operator.post("tasks/", {**named, **more}))[:2] == (403, "forbidden")
    assert len(leader.submitted) == 1


def test_a_control_reaches_the_leader_complete(admin: Program, leader: RecordingLeader) -> None:
    answer = admin.post("tasks/t1/control/", {"action": "input", "input": "是\n", "closeInput": True, "ref": "r1"})

    assert (answer.status_code, answer.json()) == (202, {"command": "command-1"})
    assert leader.controlled == [
        ControlRequest(
            task_id="t1",
            action=Action.INPUT,
            actor="user-admin",
            ref="r1",
            input="是\n".encode(),
            close_input=True,
            reason="",
            may_run_commands=True,
        )
    ]


def test_a_refusal_carries_its_code(admin: Program) -> None:
    assert error(admin.post("tasks/task-ended/control/", {"action": "pause"})) == (409, "finished", None)


def test_without_a_leader_reading_still_works(admin: Program) -> None:
    add_task(1)
    services.use_gateway(NoLeader())

    answer = admin.post("tasks/t1/control/", {"action": "pause"})

    assert error(answer)[:2] == (503, "unavailable")
    assert answer["Retry-After"] == "5"
    assert admin.get("tasks/t1/").status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "not-json"),
        (b"\xff", "application/json", 400, "not-json"),
        (b'{"argv": ["\\ud800"]}', "application/json", 400, "not-json"),
        (b'{"timeoutSeconds": NaN}', "application/json", 400, "not-json"),
        (b"[" * 100_000, "application/json", 400, "not-json"),
        (b"", "application/json", 400, "bad-field"),
        (b'"' + b"x" * MAX_BODY_BYTES + b'"', "application/json", 413, "too-large"),
        (b"argv=id", "application/x-www-form-urlencoded", 415, "not-json"),
        (b"{}", "text/plain", 415, "not-json"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_bad_body_is_one_clear_error(
    admin: Program, leader: RecordingLeader, body: bytes, content_type: str, status: int, code: str
) -> None:
    assert error(admin.post("tasks/", body, content_type))[:2] == (status, code)
    assert leader.submitted == []


def test_too_many_requests_are_refused(admin: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RequestThrottle, "buckets", Buckets(burst=4, per_second=0.1))
    monkeypatch.setattr(ChangeThrottle, "buckets", Buckets(burst=2, per_second=0.1))

    changes = [admin.post("tasks/", {"argv": ["id"]}).status_code for _ in range(3)]
    last = admin.get("me/")
    refused = admin.get("me/")

    assert changes == [201, 201, 429]
    assert last.status_code == 200
    assert error(refused)[:2] == (429, "too-many-requests")
    assert 0 < int(refused["Retry-After"]) <= 10


def test_every_answer_is_json(viewer: Program, people: People) -> None:
    answer = people.browser("viewer").get("/api/v1/me/?format=api", headers={"Accept": "application/json"})

    assert answer["Content-Type"] == "application/json"
    assert error(answer) == (400, "unknown-field", "format")
    assert error(people.browser("viewer").get("/api/v1/nonsense"))[:2] == (404, "not-found")


def test_the_document_lists_every_route() -> None:
    text = (site_settings.BASE_DIR / "docs/api.md").read_text()
    listed = set(re.findall(r"^\| (GET|POST) \| `/api/v1/([^`]*)` ", text, re.MULTILINE))

    routes = set()
    for pattern in urls.urlpatterns:
        if pattern.name == "no-route":
            continue
        path = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", str(pattern.pattern)).removeprefix("^").removesuffix("?$")
        routes |= {(method, path) for method in pattern.callback.view_class.rights}

    assert listed == routes


def test_the_document_lists_every_parameter() -> None:
    text = (site_settings.BASE_DIR / "docs/api.md").read_text()
    for kind in (TaskQuery, LogQuery, HistoryQuery):
        for field in structs.fields(kind):
            assert f"`{field.encode_name}`" in text, f"{kind.__name__}.{field.name}"


def test_the_api_is_at_the_documented_path() -> None:
    assert any(str(entry.pattern) == "api/v1/" for entry in get_resolver().url_patterns)


def test_wrong_tokens_are_limited_per_address_and_those_at_work_are_not(people: People) -> None:
    at_work, session = Program(people.tokens["viewer"]), people.browser("viewer")
    assert at_work.get("me").status_code == 200
    answers = [Program(f"aft_wrong-{number}").get("me") for number in range(60)]
    audit.recorder.flush()

    assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 40
    assert 0 < int(answers[-1]["Retry-After"]) <= 3
    assert answers[-1].json()["error"]["code"] == "too-many-requests"
    assert at_work.get("me").status_code == 200
    assert session.get("/api/v1/me").status_code == 200
    rows = AuditEntry.objects.filter(kind="api-token").order_by("id").values_list("address", "result", "count")
    assert list(rows) == [("127.0.0.1", "refused", 20), ("127.0.0.1", "limited", 40)]


def test_a_change_from_another_address_names_both_and_the_setting(people: People) -> None:
    client = people.browser("admin")
    client.handler.enforce_csrf_checks = True

    answer = client.post("/api/v1/tasks/", {}, "application/json", headers={"Origin": "http://testserver:8443"})

    assert answer.status_code == 403
    message = answer.json()["error"]["message"]
    assert "http://testserver:8443" in message
    assert "AGENTFLOW_CSRF_TRUSTED_ORIGINS" in message
