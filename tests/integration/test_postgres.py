"""What only a PostgreSQL server can do: freeze, end sessions, come back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import DatabaseError, OperationalError, close_old_connections, connection, transaction
from django.test import Client

from agentflow_site.postgresql.base import BoundedConnection
from nodes.domain.events import TaskStatus
from nodes.domain.states import TaskState
from nodes.leader.projection.projection import Projection
from nodes.leader.projection.rows import insert_rows
from nodes.models import LogLine, Task
from nodes.outages import is_outage
from tests.support import database
from tests.support.eventually import eventually
from tests.support.leader_store import Recorder, Voice, read, running_projection
from tests.support.postgres import frozen

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("database.is_sqlite()", reason="make test-postgres runs it"),
]


@pytest.fixture
def listener() -> Recorder:
    return Recorder()


@pytest.fixture
async def projection(tmp_path: Path, listener: Recorder, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Projection]:
    monkeypatch.setattr("nodes.leader.projection.writer._RETRY_SECONDS", (0.05,))
    async with running_projection(tmp_path, listener) as running:
        yield running


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for a server that does not answer."""
    monkeypatch.setattr(BoundedConnection, "answer_seconds", 0.3)
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "connect_timeout", 2)


def states(listener: Recorder) -> list[tuple[str, str]]:
    return [(message["state"], message["reason"]) for message in listener.messages("STORE")]


async def test_a_frozen_server_is_noticed_and_its_return_too(
    projection: Projection, listener: Recorder, impatient: None
) -> None:
    """As on SQLite: nodes wait, the banner shows it, and nothing is lost."""
    master = Voice(projection, "master-1")
    await master.arrive()

    with frozen():
        told = asyncio.create_task(master.tell(TaskStatus(task_id="t1", state=TaskState.RUNNING)))
        await eventually(lambda: states(listener) == [("failing", "unreachable")])
        assert not told.done()

    assert (await told).marks == {"master-1-states": 1}
    assert states(listener) == [("failing", "unreachable"), ("ok", "")]
    assert listener.messages("STORE")[0]["message"] == "the server did not answer within 0.3 s"


def test_a_page_on_a_frozen_server_is_answered_in_time(impatient: None) -> None:
    client = Client(raise_request_exception=False)
    vera = User.objects.create_user("vera")
    vera.groups.add(Group.objects.get(name="viewer"))
    client.force_login(vera)

    with frozen():
        answer = client.get("/api/v1/nodes/")

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store-unavailable")
    close_old_connections()  # As before each request, except for Django's test client.
    assert client.get("/api/v1/me/").status_code == 200


def end_sessions() -> None:
    """What a restart of the server does to those that are connected."""
    with database.connect_postgres() as server:
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [connection.settings_dict["NAME"]],
        )


async def test_the_writer_reconnects_after_the_server_was_restarted(projection: Projection, listener: Recorder) -> None:
    master = Voice(projection, "master-1")
    await master.arrive()
    name = connection.settings_dict["NAME"]
    with database.connect_postgres() as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        await asyncio.to_thread(end_sessions)
        told = asyncio.create_task(master.tell(TaskStatus(task_id="t1", state=TaskState.RUNNING)))
        await eventually(lambda: states(listener)[:1] == [("failing", "unreachable")])
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())

    await told

    assert await read(lambda: Task.objects.get().id) == "t1"
    assert states(listener)[-1] == ("ok", "")


# --- the limits of the server ---------------------------------------------------------------------


def test_a_transaction_that_stands_still_loses_its_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a frozen Leader keeps nobody from taking over: its next statement fails as an outage does."""
    with_limits(monkeypatch, "idle_in_transaction_session_timeout=100ms")

    def stand_still() -> None:
        with transaction.atomic():
            insert_rows(LogLine, COLUMNS, some_lines(3))
            wait_until_ended(connection.connection.info.backend_pid)
            Task.objects.exists()

    with pytest.raises(DatabaseError) as failed:
        stand_still()

    assert is_outage(failed.value)
    connection.close()
    assert not LogLine.objects.exists()


def test_rows_are_sent_without_a_pipeline() -> None:
    """The server puts no time limit on a transaction that waits for the rest of a pipeline."""
    seen: set[str] = set()

    def watch(execute: object, sql: str, params: object, many: bool, context: object) -> object:
        seen.add("many" if many else sql.partition(" ")[0])
        return execute(sql, params, many, context)  # type: ignore[operator]

    with transaction.atomic(), connection.execute_wrapper(watch):
        insert_rows(LogLine, COLUMNS, some_lines(1203))

    assert seen == {"INSERT"}
    assert LogLine.objects.count() == 1203


def test_a_slow_statement_ends_but_a_migration_may_take_longer(
    monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    with_limits(monkeypatch, "statement_timeout=50ms")
    with pytest.raises(OperationalError, match="statement timeout"), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.1)")

    with connection.unlimited(), connection.cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute("SELECT pg_sleep(0.4)")

    limits = []
    monkeypatch.setattr(
        "django.core.management.commands.migrate.Command.handle",
        lambda command, *arguments, **options: limits.append(connection.connection.answer_seconds),
    )
    call_command("migrate", verbosity=0)
    assert limits == [None]


def test_a_value_that_does_not_fit_an_index_is_no_outage() -> None:
    """Otherwise the writer would repeat it endlessly, and everything behind it would wait."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE narrow (word text PRIMARY KEY)")
        with pytest.raises(OperationalError) as failed:
            cursor.execute("INSERT INTO narrow SELECT string_agg(md5(n::text), '') FROM generate_series(1, 500) AS n")

    assert not is_outage(failed.value)


COLUMNS = ("id", "node_id", "task_id", "attempt", "number", "at_ms", "level", "stream", "text")
_ids = itertools.count(1)


def some_lines(count: int) -> list[tuple[object, ...]]:
    return [(next(_ids), "n", "t", 1, number, 1, 20, 1, "100% of '; DROP") for number in range(count)]


def with_limits(patch: pytest.MonkeyPatch, setting: str) -> None:
    options = connection.settings_dict["OPTIONS"]
    patch.setitem(options, "options", f"{options['options']} -c {setting}")
    connection.close()


@pytest.fixture(autouse=True)
def _own_settings_end_with_the_test() -> Iterator[None]:
    yield
    connection.close()


def wait_until_ended(backend: int) -> None:
    with database.connect_postgres() as server:
        server.execute("SELECT set_config('statement_timeout', '10s', false)")
        while server.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [backend]).fetchone():
            server.execute("SELECT pg_sleep(0.01)")


def test_settings_of_the_url_come_last() -> None:
    """What an operator gives in `DATABASE_URL` takes precedence."""
    parameters = connection.get_connection_params()
    parameters["options"] += " -c lock_timeout=7s"
    with psycopg.connect(**{**parameters, "cursor_factory": psycopg.Cursor, "context": None}) as session:
        assert session.execute("SHOW lock_timeout").fetchone() == ("7s",)
        assert session.execute("SHOW statement_timeout").fetchone() == ("10s",)
        assert session.execute("SHOW application_name").fetchone() == ("agentflow",)
