"""When the database does not respond, every URL gives a person or program one clear message."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from dashboard import outage
from tests.support import database

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client() -> Client:
    User.objects.create_user("vera", password="a long enough one")
    return Client(raise_request_exception=False)


@pytest.fixture
def locked(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another process holds a write transaction open."""
    database.wait_shortly(monkeypatch)
    connection.close()  # The next connection has the short timeout.
    with database.locked():
        yield
    connection.close()


@pytest.mark.parametrize(("language", "words"), [("en", "try again in a moment"), ("zh-hans", "请稍后再试")])
def test_a_page_reports_it_in_the_users_language(
    client: Client, locked: None, language: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        answer = client.post(
            "/login/",
            {"username": "vera", "password": "a long enough one"},
            headers={"accept-language": language},
        )

    assert (answer.status_code, answer["Retry-After"]) == (503, str(outage.RETRY_AFTER_SECONDS))
    assert words in answer.content.decode()
    assert not any(words in answer.content.decode() for words in database.LOCKED)


def test_the_api_reports_it_in_its_own_format(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if authentication fails, which runs before the API's own code."""
    client.force_login(User.objects.get())
    monkeypatch.setitem(connection.settings_dict, "NAME", "/proc/none/db.sqlite3" if database.is_sqlite() else "none")
    connection.close()

    answer = client.get("/api/v1/nodes/")

    connection.close()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store-unavailable")
    assert answer["Retry-After"] == str(outage.RETRY_AFTER_SECONDS)
