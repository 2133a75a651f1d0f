"""`/healthz` and `/readyz`: what they answer, and what a probe costs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from agentflow_site import health
from agentflow_site.health import Health


class Database:
    """A look at it may be slow, or fail; counts them."""

    def __init__(self) -> None:
        self.answers = True
        self.looks = 0
        self.free = threading.Event()
        self.free.set()

    def look(self) -> bool:
        self.looks += 1
        self.free.wait(10)
        return self.answers


@pytest.fixture
def database() -> Iterator[Database]:
    made = Database()
    yield made
    made.free.set()


@pytest.fixture
def probed(database: Database) -> Iterator[Health]:
    made = Health(database.look)
    yield made
    database.free.set()
    made.close()


async def answer(probed: Health, path: str, method: str = "GET") -> tuple[int, str]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await probed({"type": "http", "method": method, "path": path, "headers": [], "client": ("10.0.0.1", 5)}, send)
    return sent[0]["status"], sent[1]["body"].decode()


async def test_ready_as_long_as_every_part_is(probed: Health) -> None:
    is_listening = [True]
    probed.require(lambda: is_listening[0], otherwise="The hub does not listen for nodes.")

    assert await answer(probed, "/readyz") == (200, "ok\n")
    assert await answer(probed, "/readyz", "HEAD") == (200, "")
    assert (await answer(probed, "/readyz", "POST"))[0] == 405
    is_listening[0] = False
    assert await answer(probed, "/readyz") == (503, "The hub does not listen for nodes.\n")
    assert await answer(probed, "/healthz") == (200, "ok\n")


async def test_a_database_that_fails_or_hangs_is_named_in_a_limited_time(
    probed: Health, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_VALID_SECONDS", 0.0)
    monkeypatch.setattr(health, "WAIT_SECONDS", 0.05)
    database.answers = False
    assert await answer(probed, "/readyz") == (503, "The database does not answer.\n")
    database.free.clear()

    for _ in range(3):
        assert await answer(probed, "/readyz") == (503, "The database does not answer.\n")

    assert database.looks == 2  # The one that hangs occupies one thread, however many probes come.
    assert await answer(probed, "/healthz") == (200, "ok\n")


async def test_many_probes_cost_one_look(probed: Health, database: Database) -> None:
    for _ in range(20):
        await answer(probed, "/readyz")

    assert database.looks == 1


async def test_only_failures_are_logged(probed: Health, database: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await answer(probed, "/healthz")
    await answer(probed, "/readyz")
    assert caplog.text == ""
    probed.require(lambda: False, otherwise="No.")

    await answer(probed, "/readyz")

    assert "GET /readyz 503 from=10.0.0.1" in caplog.text
