"""Protection by settings: headers, cookies, CORS, the access log."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.test.client import RequestFactory

from dashboard.accesslog import AccessLogMiddleware
from dashboard.accounts import tokens
from dashboard.refused import OneLine

pytestmark = pytest.mark.django_db


def run_manage(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=site_settings.BASE_DIR,
        env={**os.environ, "AGENTFLOW_DATA_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.slow
def test_behind_a_proxy_django_finds_nothing_to_warn_about(tmp_path: Path) -> None:
    done = run_manage("check", "--deploy", "--fail-level", "WARNING", folder=tmp_path, AGENTFLOW_BEHIND_HTTPS_PROXY="1")

    assert done.returncode == 0, done.stderr


def test_every_answer_carries_the_protecting_headers(client: Client) -> None:
    answer = client.get("/login/")

    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]


def test_the_session_cookie_is_hidden_from_scripts_and_other_sites(client: Client) -> None:
    User.objects.create_user("vera", password="correct horse battery")

    client.post("/login/", {"username": "vera", "password": "correct horse battery"})

    cookie = client.cookies[site_settings.SESSION_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_no_other_site_may_call_unless_it_is_named(client: Client, settings: Any) -> None:
    foreign = {"HTTP_ORIGIN": "https://wall.example", "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "GET"}
    assert "Access-Control-Allow-Origin" not in client.options("/api/v1/me", **foreign)

    settings.CORS_ALLOWED_ORIGINS = ["https://wall.example"]

    named = client.options("/api/v1/me", **foreign)
    assert named["Access-Control-Allow-Origin"] == "https://wall.example"
    assert "Access-Control-Allow-Credentials" not in named
    assert "Access-Control-Allow-Origin" not in client.options("/login/", **foreign)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "agentflow.access"]


def test_a_request_leaves_one_line_without_its_query(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    client.get("/login/link/", {"token": "secret-token"})

    (line,) = lines(caplog)
    assert line.startswith("GET /login/link/ 410 ")
    assert line.endswith("ms user=- from=127.0.0.1")
    assert "secret-token" not in caplog.text


def test_a_line_names_the_user(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    user = User.objects.create_user("vera")
    _, token = tokens.issue(user, name="ci")

    client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    client.force_login(user)
    client.get("/account/password/")

    assert [line.split()[4] for line in lines(caplog)] == ["user=vera", "user=vera"]


def test_a_path_cannot_forge_a_line(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    client.get("/nothing%0aGET%20/admin/%20200")

    (line,) = lines(caplog)
    assert "\n" not in line
    assert line.startswith("GET /nothing%0AGET%20/admin/%20200 404 ")


async def test_asynchronous_requests_are_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    await AsyncClient().get("/i18n/setlang/")

    assert len(lines(caplog)) == 1


async def test_a_disconnected_client_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def view(request: HttpRequest) -> HttpResponse:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await AccessLogMiddleware(view)(RequestFactory().get("/slow/"))

    assert lines(caplog)[0].startswith("GET /slow/ 499 ")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The output of the site's own log handler."""
    handler = next(h for h in logging.getLogger().handlers if any(isinstance(f, OneLine) for f in h.filters))
    assert isinstance(handler, logging.StreamHandler)
    text = io.StringIO()
    before = handler.setStream(text)
    yield text
    handler.setStream(before)


@pytest.mark.parametrize(
    ("path", "extra", "status"),
    [
        ("/login/", {"HTTP_HOST": "evil.example"}, 400),
        ("/login/", {"HTTP_HOST": "a b"}, 400),
        ("/%00/", {}, 404),
        ("/static/../../etc/passwd", {}, 404),
    ],
)
def test_a_bad_request_leaves_no_traceback(
    client: Client, log: io.StringIO, path: str, extra: dict[str, str], status: int
) -> None:
    assert client.get(path, **extra).status_code == status
    assert f" {status} " in log.getvalue()
    assert "Traceback" not in log.getvalue()


def test_a_form_of_too_many_fields_leaves_no_traceback(client: Client, log: io.StringIO) -> None:
    fields = {f"field{number}": "x" for number in range(1_100)}

    assert client.post("/login/", fields).status_code == 400
    assert "DATA_UPLOAD_MAX_NUMBER_FIELDS" in log.getvalue()
    assert "Traceback" not in log.getvalue()
