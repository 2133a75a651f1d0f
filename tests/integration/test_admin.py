"""The admin pages: only for administrators, fast on large tables, and free of side effects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from pytest_django import DjangoDbBlocker

from chat.models import (
    Analysis,
    Approval,
    ContextSnapshot,
    Conversation,
    EngineStatus,
    MemoryFile,
    MemoryRevision,
    Message,
    ToolCall,
    Turn,
)
from dashboard.accounts import tokens
from dashboard.rights import Role, role_of
from nodes.admin import COUNT_LIMIT, HistoryAdmin
from nodes.models import Attempt, AuditEntry, Command, LogLine, Node, NodeToken, Task
from tests.support.access import People, make_history, make_people
from tests.support.database import rows_of_many_tests

pytestmark = pytest.mark.django_db

LISTS = sorted(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist" for model in admin.site._registry)


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[People]:
    with rows_of_many_tests(django_db_blocker):
        made = make_people()
        for role in Role:
            made.browser(str(role))
        yield made


@pytest.fixture
def people(made: People) -> People:
    return replace(made, users={name: User.objects.get(pk=user.pk) for name, user in made.users.items()})


@pytest.fixture
def browser(people: People) -> Client:
    return people.browser("admin")


@pytest.mark.parametrize("name", LISTS)
def test_every_list_shows_and_searches(browser: Client, name: str) -> None:
    make_history()

    page = browser.get(reverse(name))
    found = browser.get(reverse(name), {"q": "x"})

    assert page.status_code == 200
    assert "<script>alert(1)" not in page.content.decode()
    assert found.status_code == 200


def add_conversation(row_id: str, *, body: bytes = b"{}") -> None:
    now = timezone.now()
    conversation = Conversation.objects.create(id=row_id, project=row_id, node="*", created_at=now, last_at=now)
    turn = Turn.objects.create(id=row_id, conversation=conversation, number=1, text="x", actor="ann", created_at=now)
    parts = {"conversation": conversation, "turn": turn}
    said = Message.objects.create(
        **parts, epoch=1, role="user", content=[{"type": "text", "text": "说"}], created_at=now
    )
    call = ToolCall.objects.create(
        id=row_id, turn=turn, message=said, tool_use_id="u", position=0, name="pause_task", created_at=now
    )
    Approval.objects.create(id=row_id, call=call, right="operate", created_at=now, expires_at=now)
    Analysis.objects.create(
        id=row_id, turn=turn, alert_id=1, task_id="t", kind="stalled", cause="x", confidence="low", created_at=now
    )
    kind = "approved" if row_id == "c1" else "effect"
    AuditEntry.objects.create(
        at=now, kind=kind, conversation_id=row_id, turn_id=row_id, call_id=row_id, tool="pause_task"
    )
    ContextSnapshot.objects.create(**parts, request=1, body=body, at=now)
    file = MemoryFile.objects.create(scope="global", path=row_id, created_at=now, changed_at=now)
    MemoryRevision.objects.create(file=file, version=1, action="create", path=row_id, turn_id=row_id, at=now)


CHAT_LISTS = [name for name in LISTS if name.startswith("admin:chat_")]


def test_every_table_of_the_chat_has_its_page() -> None:
    shown = {model for model in admin.site._registry if model._meta.app_label == "chat"}

    assert shown == set(apps.get_app_config("chat").get_models()) - {EngineStatus}


@pytest.mark.parametrize("name", CHAT_LISTS)
def test_rows_of_one_conversation_are_found(browser: Client, name: str) -> None:
    for row_id in ("c1", "c2"):
        add_conversation(row_id)

    found = browser.get(reverse(name), {"q": "c1"}).context["cl"]

    assert found.result_count == 1


@pytest.mark.parametrize(
    ("model", "query", "count"),
    [
        ("conversation", {"closed_at__isempty": "0"}, 0),
        ("turn", {"state__exact": "queued"}, 2),
        ("toolcall", {"state__exact": "done"}, 0),
        ("approval", {"state__exact": "waiting"}, 2),
        ("memoryfile", {"deleted_at__isempty": "1"}, 2),
    ],
)
def test_chat_lists_have_filters(browser: Client, model: str, query: dict[str, str], count: int) -> None:
    for row_id in ("c1", "c2"):
        add_conversation(row_id)

    page = browser.get(reverse(f"admin:chat_{model}_changelist"), query)

    assert page.context["cl"].result_count == count


def test_the_audit_has_a_filter_by_kind(browser: Client) -> None:
    for row_id in ("c1", "c2"):
        add_conversation(row_id)

    page = browser.get(reverse("admin:nodes_auditentry_changelist"), {"kind": "approved"})

    assert page.context["cl"].result_count == 1


def test_a_request_is_shown_exactly_as_it_was_sent(browser: Client) -> None:
    body = '{"messages":[{"text":"暂停  <b>\\u0041"}],"b":1}'.encode()
    add_conversation("c1", body=body)
    row = ContextSnapshot.objects.get()

    page = browser.get(reverse("admin:chat_contextsnapshot_change", args=[row.pk])).content.decode()
    message = browser.get(reverse("admin:chat_message_change", args=[Message.objects.get().pk])).content.decode()

    assert f"<pre>{escape(body.decode())}</pre>" in page
    assert f'href="/memory/request/{row.pk}.json"' in page
    assert "说" in message


def add_rows(count: int, *, first: int = 0) -> None:
    now = timezone.now()
    for number in range(first, first + count):
        node = Node.objects.create(id=f"n{number}", role="master")
        task = Task.objects.create(id=f"t{number}", name="build", node=node, created_at=now)
        Attempt.objects.create(task=task, number=1, node=node, created_at=now)
        Command.objects.create(
            id=f"c{number}", kind="start", task=task, node=node.id, created_at=now, expires_at=now, changed_at=now
        )
        NodeToken.objects.create(token_id=f"k{number}", node_id=node.id, role="master", issued_at=now)
        LogLine.objects.create(
            id=number, node_id=node.id, task_id=task.id, attempt=1, number=1, at_ms=0, level=20, stream=1, text="x"
        )
        add_conversation(f"c{number}")
        user = User.objects.create(username=f"u{number}")
        user.groups.add(Group.objects.get(name="viewer"))
        tokens.issue(user, name="ci")


@pytest.mark.parametrize("name", LISTS)
def test_queries_of_lists_do_not_grow_with_the_rows(
    browser: Client, name: str, django_assert_max_num_queries: Callable[..., object]
) -> None:
    add_rows(2)
    browser.get(reverse(name))
    with django_assert_max_num_queries(100) as few:
        browser.get(reverse(name))
    add_rows(10, first=2)

    with django_assert_max_num_queries(len(few.captured_queries)):
        browser.get(reverse(name))


def test_log_lines_are_counted_up_to_a_limit(browser: Client) -> None:
    rows = [
        LogLine(id=n, node_id="n", task_id="t", attempt=1, number=n, at_ms=0, level=20, stream=1, text="x")
        for n in range(1, COUNT_LIMIT + 200)
    ]
    LogLine.objects.bulk_create(rows)

    page = browser.get(reverse("admin:nodes_logline_changelist"))

    assert page.context["cl"].result_count == COUNT_LIMIT
    assert page.context["cl"].result_list[0].id == COUNT_LIMIT + 199


def test_history_is_read_only(people: People) -> None:
    make_history()
    browser = people.browser("admin")

    for model, model_admin in admin.site._registry.items():
        if not isinstance(model_admin, HistoryAdmin):
            continue
        row = model._default_manager.first()
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert browser.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200
        assert browser.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code == 403
        assert browser.post(reverse(f"{name}_add"), {}).status_code == 403
        assert browser.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


def test_an_administrator_needs_no_staff_flag_and_a_staff_flag_gives_no_access(people: People) -> None:
    assert people.browser("admin").get("/admin/").status_code == 200
    User.objects.filter(username="user-operator").update(is_staff=True)

    assert people.browser("operator").get("/admin/").status_code == 403


def test_there_is_one_login_page(client: Client, people: People) -> None:
    answer = client.get("/admin/login/?next=/admin/nodes/task/")

    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=/admin/nodes/task/")
    assert client.post("/admin/login/", {"username": "a", "password": "b"}).status_code == 302
    assert people.browser("viewer").get("/admin/login/").status_code == 403


def test_an_administrator_gives_roles_and_deactivates(people: People, browser: Client) -> None:
    user = people.users["viewer"]
    url = reverse("admin:auth_user_change", args=[user.pk])
    operator = Group.objects.get(name="operator")

    answer = browser.post(url, {"username": user.username, "is_active": "on", "groups": [operator.pk]})
    assert answer.status_code == 302, answer.content.decode()
    assert role_of(User.objects.get(pk=user.pk)) is Role.OPERATOR

    browser.post(url, {"username": user.username, "groups": [operator.pk]})
    assert role_of(User.objects.get(pk=user.pk)) is Role.NOBODY


def test_an_administrator_revokes_api_tokens(people: People, browser: Client) -> None:
    row, token = tokens.issue(people.users["viewer"], name="lost laptop")

    browser.post(reverse("admin:dashboard_apitoken_changelist"), {"action": "revoke", "_selected_action": [row.pk]})

    assert tokens.verify(token) is None


def test_an_administrator_revokes_node_tokens(browser: Client) -> None:
    make_history()

    browser.post(reverse("admin:nodes_nodetoken_changelist"), {"action": "revoke", "_selected_action": ["token-1"]})

    token = NodeToken.objects.get()
    assert token.revoked_at is not None
    assert token.revoked_by == "user-admin"


def test_rows_lead_to_their_page_on_the_site(browser: Client) -> None:
    make_history()
    Task.objects.create(id="a/b", name="odd", created_at=timezone.now())

    assert 'href="/tasks/task-1/"' in browser.get("/admin/nodes/task/task-1/change/").content.decode()
    assert 'href="/nodes/master-1/"' in browser.get("/admin/nodes/node/master-1/change/").content.decode()
    assert browser.get("/admin/nodes/task/a_2Fb/change/").status_code == 200


def test_admin_pages_carry_the_strict_policy(browser: Client) -> None:
    page = browser.get("/admin/")

    policy = page["Content-Security-Policy"]
    assert "'unsafe-inline'" not in policy
    assert "'unsafe-eval'" not in policy
    assert "frame-ancestors 'none'" in policy


class InlineParts(HTMLParser):
    """Anything that the strict policy blocks: inline scripts, styles and handlers."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        is_inline_script = tag == "script" and "src" not in names and names.get("type") != "application/json"
        if is_inline_script or tag == "style" or any(n == "style" or n.startswith("on") for n in names):
            self.found.append(self.get_starttag_text() or tag)


def test_admin_pages_have_nothing_inline(people: People, browser: Client) -> None:
    make_history()
    user = people.users["viewer"].pk
    for path in (
        *(reverse(name) for name in LISTS),
        "/admin/",
        "/admin/nodes/task/task-1/change/",
        "/admin/nodes/task/task-1/history/",
        f"/admin/auth/user/{user}/change/",
        f"/admin/auth/user/{user}/password/",
        f"/admin/auth/user/{user}/delete/",
        "/admin/auth/user/add/",
    ):
        page = browser.get(path)
        parser = InlineParts()
        parser.feed(page.content.decode())
        assert (page.status_code, parser.found) == (200, []), path


def test_admin_keeps_the_policy_but_for_trusted_types(browser: Client) -> None:
    admin_policy = browser.get("/admin/")["Content-Security-Policy"]
    page_policy = browser.get("/account/password/")["Content-Security-Policy"]

    assert "script-src 'self'" in admin_policy
    assert "trusted-types" not in admin_policy
    assert "require-trusted-types-for 'script'" in page_policy
