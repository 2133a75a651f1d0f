"""Login by password and one-time link, and the limits on both."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import LazySettings
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agentflow_site.leader import LeaderConfig
from agentflow_site.leader_lock import only_one_leader, running_url
from dashboard import tickets
from dashboard.accounts import hashing, links, throttle, tokens
from dashboard.accounts.hashing import HashPool
from dashboard.models import ApiToken, LoginLink
from dashboard.rights import Role, role_of
from nodes import audit
from nodes.addresses import networks_of
from nodes.domain.access import AccessKind
from nodes.models import AuditEntry

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _fresh_throttle(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = throttle.LoginLimits(pair=3, address=6, name=8)
    monkeypatch.setattr("dashboard.accounts.forms.login_throttle", throttle.LoginThrottle(limits, now=lambda: 1e9))


@pytest.fixture
def viewer() -> User:
    user = User.objects.create_user("vera", password=PASSWORD)
    # A migration creates the group, but an earlier test with real transactions has emptied that table.
    user.groups.add(Group.objects.get_or_create(name="viewer")[0])
    return user


def try_login(client: Client, password: str, *, username: str = "vera", **extra: str) -> int:
    return client.post("/login/", {"username": username, "password": password}, **extra).status_code


def test_a_correct_password_logs_in_and_redirects(viewer: User, client: Client) -> None:
    answer = client.post("/login/?next=/tasks/x/", {"username": "vera", "password": PASSWORD})

    assert (answer.status_code, answer["Location"]) == (302, "/tasks/x/")
    assert client.session["_auth_user_id"] == str(viewer.pk)


def test_a_wrong_password_does_not_log_in(viewer: User, client: Client) -> None:
    assert try_login(client, "wrong") == 200
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "http:///x"])
def test_log_in_never_leads_to_another_site(viewer: User, client: Client, target: str) -> None:
    answer = client.post("/login/", {"username": "vera", "password": PASSWORD, "next": target})

    assert answer["Location"] == "/"


def test_an_inactive_user_cannot_log_in(viewer: User, client: Client) -> None:
    User.objects.filter(pk=viewer.pk).update(is_active=False)

    assert try_login(client, PASSWORD) == 200
    assert "_auth_user_id" not in client.session


def test_guessing_is_slowed_for_that_user_from_that_address_only(viewer: User, client: Client) -> None:
    for _ in range(3):
        assert try_login(client, "wrong") == 200

    assert try_login(client, PASSWORD) == 429
    assert try_login(client, "wrong", username="walter") == 200
    assert try_login(client, PASSWORD, REMOTE_ADDR="192.0.2.7") == 302


def test_one_password_cannot_be_tried_on_many_names(viewer: User, client: Client) -> None:
    statuses = [try_login(client, "spring-2026", username=f"user-{number}") for number in range(60)]

    assert statuses == [200] * 6 + [429] * 54
    assert try_login(client, PASSWORD) == 429
    assert try_login(client, PASSWORD, REMOTE_ADDR="192.0.2.7") == 302


def test_the_answer_says_when_to_try_again(viewer: User, client: Client) -> None:
    for _ in range(3):
        try_login(client, "wrong")

    answer = client.post("/login/", {"username": "vera", "password": PASSWORD})

    assert (answer.status_code, answer["Retry-After"]) == (429, str(throttle.WINDOW_SECONDS - 10**9 % 300))


def test_nobody_locks_out_a_user_who_comes_from_a_known_address(viewer: User, client: Client) -> None:
    home = "2001:db8:1:2::7"
    assert try_login(client, PASSWORD, REMOTE_ADDR=home) == 302
    for number in range(20):
        try_login(client, "wrong", REMOTE_ADDR=f"198.51.100.{number}")

    assert try_login(client, PASSWORD, REMOTE_ADDR="198.51.100.99") == 429
    assert try_login(client, PASSWORD, REMOTE_ADDR="2001:db8:1:2:aaaa::1") == 302


def test_a_machine_with_a_network_of_addresses_counts_once(viewer: User, client: Client) -> None:
    for number in range(3):
        try_login(client, "wrong", REMOTE_ADDR=f"2001:db8:1:2::{number}")

    assert try_login(client, PASSWORD, REMOTE_ADDR="2001:db8:1:2::ffff") == 429


def test_a_forwarded_address_counts_only_from_a_declared_proxy(viewer: User, client: Client, settings: Any) -> None:
    for number in range(3):
        try_login(client, "wrong", HTTP_X_FORWARDED_FOR=f"192.0.2.{number}")
    assert try_login(client, PASSWORD, HTTP_X_FORWARDED_FOR="192.0.2.9") == 429

    settings.TRUSTED_PROXIES = networks_of(["127.0.0.1"])

    assert try_login(client, PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.1, 192.0.2.9") == 302


def test_attempts_are_in_the_audit_and_a_flood_is_one_row(viewer: User, client: Client) -> None:
    for _ in range(3):
        try_login(client, "wrong")
    audit.recorder.flush()
    for number in range(20):
        try_login(client, "wrong", username=f"Pa55word-{number}")
    audit.recorder.flush()
    try_login(client, PASSWORD, REMOTE_ADDR="192.0.2.7")

    rows = AuditEntry.objects.order_by("id").values_list("kind", "actor", "address", "result", "count", "detail")
    assert list(rows) == [
        ("login", "vera", "127.0.0.1", "refused", 6, {}),
        ("login", "", "127.0.0.1", "limited", 17, {}),
        ("login", "vera", "192.0.2.7", "ok", 1, {}),
    ]


def test_the_same_work_is_done_whether_or_not_the_name_exists(
    viewer: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    User.objects.create_user("link-only")
    User.objects.create_user("gone", password=PASSWORD, is_active=False)
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def count(self: MD5PasswordHasher, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", count)
    counts = {}
    for name in ("vera", "nobody", "link-only", "gone"):
        hashed.clear()
        with CaptureQueriesContext(connection) as queries:
            try_login(Client(), "wrong", username=name)
        counts[name] = (len(hashed), len(queries))

    assert set(counts.values()) == {(1, 1)}, counts


def test_while_the_queue_is_full_a_login_may_be_tried_again_later(
    viewer: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = HashPool(threads=1, max_logins=0)
    monkeypatch.setattr(hashing, "pool", pool)
    answers = [client.post("/login/", {"username": "vera", "password": PASSWORD}) for _ in range(5)]

    assert {(answer.status_code, answer["Retry-After"]) for answer in answers} == {(503, "5")}
    audit.record(AccessKind.LOGIN, actor="vera", address="127.0.0.1")
    assert try_login(client, PASSWORD) == 302
    pool.close()


def test_a_full_queue_of_hashes_is_answered_anywhere(
    viewer: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(viewer)
    client.raise_request_exception = False

    def busy(self: MD5PasswordHasher, password: str, salt: str) -> str:
        raise hashing.HashingBusy

    monkeypatch.setattr(MD5PasswordHasher, "encode", busy)
    form = {"old_password": PASSWORD, "new_password1": "better battery horse", "new_password2": "better battery horse"}
    answer = client.post("/account/password/", form)

    assert (answer.status_code, answer["Retry-After"]) == (503, "5")


def test_a_session_cannot_guess_the_password(viewer: User, client: Client) -> None:
    client.force_login(viewer)
    new = {"new_password1": "better battery horse", "new_password2": "better battery horse"}
    for _ in range(3):
        assert client.post("/account/password/", {"old_password": "wrong", **new}).status_code == 200

    answer = client.post("/account/password/", {"old_password": PASSWORD, **new})

    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0


def test_wrong_login_links_are_limited_per_address_and_audited(viewer: User, client: Client) -> None:
    statuses = [client.post("/login/link/", {"token": f"wrong-{number}"}).status_code for number in range(30)]
    audit.recorder.flush()

    assert statuses == [410] * 20 + [429] * 10
    rows = AuditEntry.objects.order_by("id").values_list("kind", "result", "count")
    assert list(rows) == [("login-link", "refused", 20), ("login-link", "limited", 10)]
    path, token = link_path("vera")
    assert client.post(path, {"token": token}, REMOTE_ADDR="192.0.2.7").status_code == 302


def test_a_form_from_another_address_names_both_and_the_setting(viewer: User, settings: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.get("/login/")
    token = client.cookies[settings.CSRF_COOKIE_NAME].value
    form = {"username": "vera", "password": PASSWORD, "csrfmiddlewaretoken": token}

    refused = client.post("/login/", form, headers={"Origin": "http://testserver:8443"})
    settings.CSRF_TRUSTED_ORIGINS = ["http://testserver:8443"]
    again = Client(enforce_csrf_checks=True)  # The check reads the list once.
    again.cookies = client.cookies
    trusted = again.post("/login/", form, headers={"Origin": "http://testserver:8443"})

    text = refused.content.decode()
    assert refused.status_code == 403
    for part in (
        "http://testserver:8443",
        "reached the server as http://testserver.",
        "AGENTFLOW_CSRF_TRUSTED_ORIGINS",
    ):
        assert part in text
    assert trusted.status_code == 302


def test_logging_out_needs_a_post(viewer: User, client: Client) -> None:
    client.force_login(viewer)

    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").status_code == 302
    assert "_auth_user_id" not in client.session


def test_log_in_without_csrf_token_is_refused(viewer: User) -> None:
    client = Client(enforce_csrf_checks=True)

    assert try_login(client, PASSWORD) == 403


def link_path(username: str = "admin") -> tuple[str, str]:
    link = urlsplit(links.create_login_link(username, base_url="http://127.0.0.1:8000/"))
    assert (link.scheme, link.netloc) == ("http", "127.0.0.1:8000")
    return link.path, link.query.removeprefix("token=")


def test_a_login_link_makes_an_administrator_without_a_password(client: Client) -> None:
    path, token = link_path()
    admin = User.objects.get(username="admin")
    assert role_of(admin) is Role.ADMIN
    assert not admin.has_usable_password()

    assert client.get(path, {"token": token}).status_code == 200
    assert "_auth_user_id" not in client.session
    answer = client.post(path, {"token": token})

    assert answer["Location"] == "/account/password/"
    assert client.session["_auth_user_id"] == str(admin.pk)


def test_a_login_link_works_once(client: Client) -> None:
    path, token = link_path()
    client.post(path, {"token": token})

    again = Client()

    assert again.get(path, {"token": token}).status_code == 410
    assert again.post(path, {"token": token}).status_code == 410
    assert "_auth_user_id" not in again.session


def test_a_login_link_expires_after_15_minutes(client: Client) -> None:
    path, token = link_path()
    link = LoginLink.objects.get()
    assert timedelta(minutes=14) < link.expires_at - timezone.now() <= timedelta(minutes=15)

    LoginLink.objects.update(expires_at=timezone.now())

    assert client.post(path, {"token": token}).status_code == 410


def test_a_login_link_of_a_deactivated_user_does_not_work(client: Client) -> None:
    path, token = link_path()
    User.objects.update(is_active=False)

    assert client.post(path, {"token": token}).status_code == 410


@pytest.mark.parametrize("token", ["", "x", "ä", "\0", "x" * 10_000])
def test_an_invented_login_link_is_refused(client: Client, token: str) -> None:
    assert client.get("/login/link/", {"token": token}).status_code == 410
    assert client.post("/login/link/", {"token": token}).status_code == 410


def test_a_login_link_is_stored_as_its_hash_only() -> None:
    _, token = link_path()

    assert token not in str(LoginLink.objects.values_list().get())


def test_a_login_link_is_checked_and_consumed_in_one_statement(
    client: Client, django_assert_num_queries: Callable[..., AbstractContextManager[Any]]
) -> None:
    _, token = link_path()
    links.consume(token)

    with django_assert_num_queries(1) as queries:
        assert links.consume(token) is None

    assert queries.captured_queries[0]["sql"].startswith("UPDATE")


def test_a_login_link_allows_setting_a_password_without_the_old_one(client: Client) -> None:
    path, token = link_path()
    client.post(path, {"token": token})
    elsewhere = Client()
    elsewhere.force_login(User.objects.get(username="admin"))

    answer = client.post("/account/password/", {"new_password1": PASSWORD, "new_password2": PASSWORD})

    assert answer.status_code == 302
    assert User.objects.get(username="admin").check_password(PASSWORD)
    assert client.get("/account/password/").status_code == 200, "the session that changed it continues"
    assert elsewhere.get("/account/password/").status_code == 302, "the others end"


def test_other_users_need_the_old_password(viewer: User, client: Client) -> None:
    client.force_login(viewer)
    new = {"new_password1": "another horse battery", "new_password2": "another horse battery"}

    client.post("/account/password/", new)
    client.post("/account/password/", {**new, "old_password": "wrong"})
    viewer.refresh_from_db()
    assert viewer.check_password(PASSWORD)

    client.post("/account/password/", {**new, "old_password": PASSWORD})
    viewer.refresh_from_db()
    assert viewer.check_password("another horse battery")


def test_the_link_command_prints_the_link_alone_on_its_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call_command("loginlink", "--user", "ada", "--base-url", "https://flow.example")

    output = capsys.readouterr().out

    assert output.startswith("https://flow.example/login/link/?token=")
    assert len(output.split()) == 1
    assert role_of(User.objects.get(username="ada")) is Role.ADMIN


def test_the_link_command_knows_the_address_of_the_running_leader(
    capsys: pytest.CaptureFixture[str], settings: LazySettings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    with only_one_leader(tmp_path, url="http://127.0.0.1:8100"):
        call_command("loginlink")

    assert capsys.readouterr().out.startswith("http://127.0.0.1:8100/login/link/?token=")


@pytest.mark.parametrize(
    "lock",
    ["", "4194304\nhttp://127.0.0.1:8100\n", "1\n", "one\nhttp://127.0.0.1:8100\n"],
    ids=["never", "has stopped", "an earlier version's", "damaged"],
)
def test_the_link_command_says_what_is_missing_without_a_leader(
    capsys: pytest.CaptureFixture[str], settings: LazySettings, tmp_path: Path, lock: str
) -> None:
    settings.DATA_DIR = tmp_path
    if lock:  # Its process id is above any that exists.
        (tmp_path / "leader.lock").write_text(lock)
    call_command("loginlink")

    printed = capsys.readouterr()
    assert printed.out.startswith("/login/link/?token=")
    assert "--base-url" in printed.err


def test_a_lock_that_cannot_be_read_names_no_address(tmp_path: Path) -> None:
    (tmp_path / "leader.lock").mkdir()

    assert running_url(tmp_path) == ""


@pytest.mark.parametrize(
    ("http", "more", "url"),
    [
        ("127.0.0.1:8000", {}, "http://127.0.0.1:8000"),
        ("0.0.0.0:8000", {"is_insecure": True}, "http://127.0.0.1:8000"),
        ("[::1]:8000", {}, "http://[::1]:8000"),
        ("flow.example:443", {"tls_cert_file": Path("cert.pem")}, "https://flow.example:443"),
        ("0.0.0.0:8000", {"is_behind_https_proxy": True}, ""),
        ("", {}, ""),
    ],
)
def test_the_leader_knows_its_address(http: str, more: dict[str, Any], url: str) -> None:
    assert LeaderConfig(data_dir=Path("data"), http=http, grpc="127.0.0.1:7946", **more).url == url


def test_the_link_command_does_not_raise_a_users_role(viewer: User) -> None:
    call_command("loginlink", "--user", "vera")

    assert role_of(viewer) is Role.VIEWER


def test_the_token_command_makes_lists_and_revokes(viewer: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("apitoken", "new", "--user", "vera", "--name", "ci")
    token = capsys.readouterr().out.strip()
    row = ApiToken.objects.get()
    call_command("apitoken", "list")
    listed = capsys.readouterr().out
    call_command("apitoken", "revoke", row.prefix)

    row.refresh_from_db()
    assert token.startswith(row.prefix)
    assert row.prefix in listed
    assert token not in listed
    assert row.revoked_at is not None


def test_the_token_command_reports_errors() -> None:
    with pytest.raises(CommandError, match="no active user"):
        call_command("apitoken", "new", "--user", "nobody")
    with pytest.raises(CommandError, match="no API token starts"):
        call_command("apitoken", "revoke", "aft_")


def test_a_token_expires_after_90_days_unless_it_says_otherwise(viewer: User, client: Client) -> None:
    call_command("apitoken", "new", "--user", "vera")
    row, token = tokens.issue(viewer, name="short", days=1)
    asked = {"headers": {"Authorization": f"Bearer {token}"}}
    assert client.get("/api/v1/me", **asked).status_code == 200
    open_socket = tickets.authenticate(token)
    assert open_socket is not None

    ApiToken.objects.filter(pk=row.pk).update(expires_at=timezone.now())

    assert client.get("/api/v1/me", **asked).status_code == 401
    assert tickets.authenticate(token) is None
    assert tickets.recheck(open_socket) is Role.NOBODY  # The socket closes within a minute.
    usual = ApiToken.objects.exclude(pk=row.pk).get().expires_at
    assert usual is not None
    assert timedelta(days=89) < usual - timezone.now() <= timedelta(days=90)


@pytest.mark.parametrize(
    ("own", "limit", "result"),
    [("admin", "viewer", "viewer"), ("admin", "operator", "operator"), ("viewer", "admin", "viewer")],
)
def test_a_token_has_at_most_its_own_role_and_its_users(client: Client, own: str, limit: str, result: str) -> None:
    user = User.objects.create(username="olga")
    user.groups.add(Group.objects.get(name=own))
    _, token = tokens.issue(user, name="limited", role=Role(limit))
    asked: dict[str, Any] = {"headers": {"Authorization": f"Bearer {token}"}, "content_type": "application/json"}

    assert client.get("/api/v1/me", **asked).json()["role"] == result
    viewer = tickets.authenticate(token)
    assert viewer is not None
    assert (viewer.role, viewer.may_converse, tickets.recheck(viewer)) == (result, False, result)
    assert client.post("/api/v1/tasks", {"argv": ["id"]}, **asked).status_code == 403
    # Conversations act with their user's rights: approving there would give the token more than its role.
    for path, body in (("approvals/a", {"decision": "approve"}), ("conversations", {"context": "*:*"})):
        assert client.post(f"/api/v1/chat/{path}", body, **asked).status_code == 403
    assert client.get("/api/v1/chat/conversations", **asked).status_code == 200


def test_the_token_command_sets_role_and_end(viewer: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("apitoken", "new", "--user", "vera", "--role", "viewer", "--expires", "7")
    call_command("apitoken", "list")

    row = ApiToken.objects.get()
    assert row.expires_at is not None
    assert (row.role, f"until {row.expires_at:%Y-%m-%d}" in capsys.readouterr().out) == ("viewer", True)
    with pytest.raises(CommandError, match="1 to 36500"):
        call_command("apitoken", "new", "--user", "vera", "--expires", "0")
