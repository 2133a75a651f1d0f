"""The table of rights, and the roles it is based on."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.test import Client
from django.test.client import RequestFactory
from django.utils import timezone

from dashboard import tickets
from dashboard.accounts import tokens
from dashboard.rights import Right, Role, may, right_to_submit, role_of
from nodes.domain.commands import TaskSpec

pytestmark = pytest.mark.django_db


def make_user(name: str, *roles: Role, **fields: object) -> User:
    user = User.objects.create_user(name, password="correct horse battery", **fields)
    set_roles(user, *roles)
    return user


def set_roles(user: User, *roles: Role) -> None:
    # The migration's groups are gone once a test in this process has emptied the tables.
    user.groups.set([Group.objects.get_or_create(name=role)[0] for role in roles])


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        (Role.NOBODY, set()),
        (Role.VIEWER, {Right.VIEW}),
        (Role.OPERATOR, {Right.VIEW, Right.OPERATE}),
        (Role.ADMIN, {Right.VIEW, Right.OPERATE, Right.RUN_COMMANDS, Right.MANAGE}),
    ],
)
def test_each_role_has_exactly_its_rights(role: Role, rights: set[Right]) -> None:
    assert {right for right in Right if may(role, right)} == rights


def test_the_best_group_counts() -> None:
    assert role_of(AnonymousUser()) is Role.NOBODY
    assert role_of(make_user("none")) is Role.NOBODY
    assert role_of(make_user("one", Role.VIEWER)) is Role.VIEWER
    assert role_of(make_user("two", Role.VIEWER, Role.OPERATOR)) is Role.OPERATOR
    assert role_of(make_user("three", Role.VIEWER, Role.ADMIN)) is Role.ADMIN
    assert role_of(make_user("root", is_superuser=True)) is Role.ADMIN


def test_an_inactive_user_is_nobody() -> None:
    assert role_of(make_user("gone", Role.ADMIN, is_active=False)) is Role.NOBODY
    assert role_of(make_user("gone-root", is_superuser=True, is_active=False)) is Role.NOBODY


def test_only_a_bare_named_task_is_within_an_operators_rights() -> None:
    assert right_to_submit(TaskSpec(project="shop", named_task="build")) is Right.OPERATE
    assert right_to_submit(TaskSpec(argv=("id",))) is Right.RUN_COMMANDS
    assert right_to_submit(TaskSpec(shell_line="id")) is Right.RUN_COMMANDS
    assert right_to_submit(TaskSpec(named_task="build", argv=("id",))) is Right.RUN_COMMANDS
    assert right_to_submit(TaskSpec(named_task="build", environment={"PATH": "/tmp"})) is Right.RUN_COMMANDS
    assert right_to_submit(TaskSpec(named_task="build", working_directory="/tmp")) is Right.RUN_COMMANDS


def ticket_of(client: Client) -> str:
    request = RequestFactory().get("/")
    request.session = client.session
    request.user = User.objects.get(pk=client.session["_auth_user_id"])
    return tickets.issue_ticket(request)


@pytest.fixture
def operator() -> User:
    return make_user("olga", Role.OPERATOR)


def test_a_ticket_opens_as_its_user_and_hides_the_session_key(operator: User, client: Client) -> None:
    client.force_login(operator)

    ticket = ticket_of(client)
    viewer = tickets.authenticate(ticket)

    assert viewer is not None
    assert (viewer.user_id, viewer.username, viewer.role) == (operator.pk, "olga", Role.OPERATOR)
    assert not viewer.is_program
    assert client.session.session_key not in ticket
    assert client.session.session_key not in repr(viewer)
    assert tickets.recheck(viewer) is Role.OPERATOR


def test_a_ticket_is_valid_for_a_minute(operator: User, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.force_login(operator)
    ticket = ticket_of(client)

    now = timezone.now().timestamp()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now + tickets.TICKET_SECONDS + 2)

    assert tickets.authenticate(ticket) is None


@pytest.mark.parametrize("bad", ["", "x", "a:b:c", "aft_", "aft_unknown", "ä", "\ud800", "\0", "a" * 5000])
def test_a_bad_ticket_is_nobody(bad: str) -> None:
    assert tickets.authenticate(bad) is None


def test_a_changed_ticket_is_nobody(operator: User, client: Client) -> None:
    client.force_login(operator)
    ticket = ticket_of(client)

    assert tickets.authenticate("A" + ticket) is None
    assert tickets.authenticate(ticket[:-1]) is None


def test_rights_end_with_the_session(operator: User, client: Client) -> None:
    client.force_login(operator)
    ticket = ticket_of(client)
    viewer = tickets.authenticate(ticket)
    assert viewer is not None

    client.logout()

    assert tickets.recheck(viewer) is Role.NOBODY
    assert tickets.authenticate(ticket) is None


def test_rights_end_with_a_password_change_elsewhere(operator: User, client: Client) -> None:
    client.force_login(operator)
    viewer = tickets.authenticate(ticket_of(client))
    assert viewer is not None

    operator.set_password("another horse battery")
    operator.save()

    assert tickets.recheck(viewer) is Role.NOBODY


def test_rights_follow_the_groups_and_the_active_flag(operator: User, client: Client) -> None:
    client.force_login(operator)
    viewer = tickets.authenticate(ticket_of(client))
    assert viewer is not None

    set_roles(operator, Role.VIEWER)
    assert tickets.recheck(viewer) is Role.VIEWER
    operator.groups.clear()
    assert tickets.recheck(viewer) is Role.NOBODY
    set_roles(operator, Role.ADMIN)
    assert tickets.recheck(viewer) is Role.ADMIN
    User.objects.filter(pk=operator.pk).update(is_active=False)
    assert tickets.recheck(viewer) is Role.NOBODY


def test_an_api_token_opens_until_it_is_revoked(operator: User) -> None:
    row, token = tokens.issue(operator, name="ci")

    viewer = tickets.authenticate(token)

    assert viewer is not None
    assert viewer.is_program
    assert tickets.recheck(viewer) is Role.OPERATOR
    assert tokens.revoke(row)
    assert not tokens.revoke(row)
    assert tickets.recheck(viewer) is Role.NOBODY
    assert tickets.authenticate(token) is None


def test_an_api_token_is_stored_as_its_hash_only(operator: User) -> None:
    row, token = tokens.issue(operator, name="ci")

    row.refresh_from_db()

    assert token.startswith("aft_")
    assert token not in (row.digest, row.prefix)
    assert len(row.prefix) == 12
    assert tokens.verify(token + "x") is None


def test_the_last_use_is_recorded_once_an_hour(operator: User, django_assert_num_queries: object) -> None:
    row, token = tokens.issue(operator, name="ci")
    tokens.verify(token)
    row.refresh_from_db()
    first = row.last_used_at
    assert first is not None

    with django_assert_num_queries(1):
        tokens.verify(token)

    row.refresh_from_db()
    assert row.last_used_at == first


def test_a_user_without_a_role_gets_no_socket() -> None:
    _, token = tokens.issue(make_user("none"), name="ci")

    assert tickets.authenticate(token) is None
