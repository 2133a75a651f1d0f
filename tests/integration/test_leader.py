"""The Leader as a process: what prevents its start, what it serves, how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from pytest_django import DjangoDbBlocker, Settings

from agentflow_site import healthcheck
from agentflow_site.leader_lock import only_one_leader
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from nodes.stream.wire.v1 import node_sync_pb2_grpc as stubs
from tests.support.console import Console
from tests.support.database import LeaderDatabase, is_sqlite
from tests.support.eventually import eventually, eventually_sync
from tests.support.live import open_client
from tests.support.processes import REPOSITORY, Process, free_port, manage

pytestmark = pytest.mark.slow


class RunningLeader:
    def __init__(self, folder: Path, database: LeaderDatabase, *arguments: str) -> None:
        self.data_dir = folder / "data"
        self.database = database
        self.http, self.grpc = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.env = {"AGENTFLOW_DATA_DIR": str(self.data_dir), "AGENTFLOW_LEADER_GRPC": self.grpc, **database.env}
        argv = [sys.executable, "manage.py", "leader", "--http", self.http, "--grpc", self.grpc, *arguments]
        self.process = Process("leader", argv, log=folder / "leader.log", env=self.env)
        self.console = Console(self.env)

    def start(self) -> RunningLeader:
        starts = self.process.log().count("serves nodes")
        self.process.start()
        eventually_sync(lambda: self._answers(starts), 30, "the Leader serves")
        return self

    def _answers(self, starts: int) -> bool:
        assert self.process.is_running, self.process.log()
        return self.process.log().count("serves nodes") > starts

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self.database.rows(query, parameters)

    def token(self, name: str, role: str = "master") -> str:
        return self.console.manage("token", "new", "--role", role, "--name", name).strip()

    def admins_token(self) -> str:
        """An API token."""
        self.console.manage("loginlink")  # Makes the administrator.
        return self.console.manage("apitoken", "new", "--user", "admin").split()[-1]

    def end(self) -> None:
        self.process.stop()
        self.console.close()


@pytest.fixture(scope="module")
def leader(
    tmp_path_factory: pytest.TempPathFactory, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[RunningLeader]:
    folder = tmp_path_factory.mktemp("leader")
    database = LeaderDatabase(folder / "data")
    with django_db_blocker.unblock():
        database.create_empty()
    running = RunningLeader(folder, database, "--heartbeat", "5").start()
    running.console.start()
    yield running
    running.end()


@pytest.fixture
def own_leader(tmp_path: Path, leaders_database: LeaderDatabase) -> Iterator[RunningLeader]:
    """A Leader for tests that stop it; its database is already migrated."""
    running = RunningLeader(tmp_path, leaders_database)
    yield running
    running.end()


def refused(folder: Path, *arguments: str, **env: str) -> str:
    """The one line that a failed start prints."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "manage.py", "leader", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "AGENTFLOW_DATA_DIR": str(folder), **env},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if " INFO " not in line]
    assert len(errors) == 1, done.stderr
    return errors[0]


class Started(Exception):
    """The start has passed every check."""


@pytest.fixture
def refusal(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a start in this process up to the first use of the store; returns the error."""

    def start() -> None:
        raise Started

    settings.DATA_DIR = tmp_path
    settings.HEARTBEAT_SECONDS = 30.0  # The command sets it; this undoes that.
    monkeypatch.setattr("agentflow_site.leader._migrate", start)

    def refuse(*arguments: str) -> str:
        with pytest.raises(CommandError) as failed:
            call_command("leader", *arguments)
        assert failed.value.returncode == 2
        return str(failed.value)

    return refuse


# --- refused starts -------------------------------------------------------------------------------


def test_a_second_leader_on_one_data_folder_is_refused(leader: RunningLeader) -> None:
    line = refused(leader.data_dir, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")

    assert "is already running on" in line
    assert str(leader.process.pid) in line


def test_a_leader_that_meets_another_in_an_empty_database_says_so(
    refusal: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def collide() -> None:
        raise IntegrityError("duplicate key value violates unique constraint")

    monkeypatch.setattr("agentflow_site.leader.has_terms", lambda: False)
    monkeypatch.setattr("agentflow_site.leader._migrate", collide)

    assert "another Leader is setting up this database" in refusal("--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")


def test_a_second_leader_on_one_database_is_refused(leader: RunningLeader, tmp_path: Path) -> None:
    """With a data folder of its own, as on another machine."""
    line = refused(tmp_path, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", DATABASE_URL=leader.database.url)

    assert "a Leader is already running on this database" in line
    assert f"{socket.gethostname()}, process {leader.process.pid}, http://{leader.http}" in line


@pytest.mark.parametrize("option", ["--http", "--grpc"])
def test_a_port_in_use_is_refused(refusal: Callable[..., str], option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        addresses = {"--http": f"127.0.0.1:{free_port()}", "--grpc": f"127.0.0.1:{free_port()}", option: address}

        words = refusal(*(word for pair in addresses.items() for word in pair))

    assert words == f"cannot listen on {address}: Address already in use"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--grpc", "0.0.0.0:0"], "--tls-cert and --tls-key, or --insecure"),
        (["--http", "0.0.0.0:0"], "AGENTFLOW_BEHIND_HTTPS_PROXY"),
        (["--grpc", "nonsense"], "expected HOST:PORT"),
        (["--http", "127.0.0.1:99999"], "expected HOST:PORT"),
        (["--tls-cert", "/nowhere"], "must be given together"),
        (["--tls-cert", "/nowhere", "--tls-key", "/nowhere"], "/nowhere cannot be read"),
        (["--heartbeat", "1"], "5 to 60"),
        (["--name", "a b"], "not a valid node name"),
    ],
)
def test_unsafe_or_wrong_values_are_refused(refusal: Callable[..., str], arguments: list[str], words: str) -> None:
    assert words in refusal(*arguments)


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cluster.key").write_text("x")
    (tmp_path / "cluster.key").chmod(0o644)

    assert "chmod 600" in refused(tmp_path, "--http", f"127.0.0.1:{free_port()}", "--grpc", f"127.0.0.1:{free_port()}")


# --- serving --------------------------------------------------------------------------------------


def test_a_probe_needs_no_login_and_no_known_host(leader: RunningLeader) -> None:
    for path in ("/healthz", "/readyz"):
        request = urllib.request.Request(f"http://{leader.http}{path}", headers={"Host": "10.1.2.3"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert (answer.status, answer.read()) == (200, b"ok\n")

    assert healthcheck.main(leader.data_dir) == 0
    assert "/readyz" not in leader.process.log()


def test_the_images_health_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert healthcheck.main(tmp_path) == 0  # An agent's container.
    with only_one_leader(tmp_path, probed=f"http://127.0.0.1:{free_port()}"):
        assert healthcheck.main(tmp_path) == 1
    assert "refused" in capsys.readouterr().err


def test_a_first_start_sets_everything_up(leader: RunningLeader) -> None:
    for name in ("cluster.key", "epoch", "leader.lock", "tokens/web.token"):
        assert (leader.data_dir / name).stat().st_mode & 0o077 == 0
    assert leader.rows("SELECT id, role, state FROM nodes_node WHERE role = 'leader'") == [
        ("leader", "leader", "online")
    ]
    eventually_sync(lambda: leader.rows("SELECT metrics FROM nodes_node WHERE id = 'leader'")[0][0] not in ({}, "{}"))


def test_pages_are_logged_without_their_queries(leader: RunningLeader) -> None:
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(f"http://{leader.http}/api/v1/me/?token=secret", timeout=10)

    assert answer.value.code == 401
    assert "server" not in {name.lower() for name in answer.value.headers}
    answer.value.close()
    leader.process.wait_for_log("GET /api/v1/me/ 401")
    assert "secret" not in leader.process.log()


def post(leader: RunningLeader, body: object, path: str = "/login/") -> int:
    request = urllib.request.Request(f"http://{leader.http}{path}", data=body, method="POST")  # type: ignore[arg-type]
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as answer:
        answer.close()
        return answer.code


def test_a_body_over_one_mebibyte_is_refused(leader: RunningLeader) -> None:
    chunks = [b"x" * 65_536] * 64

    assert post(leader, b"".join(chunks)) == 413
    assert post(leader, iter(chunks)) == 413  # Without Content-Length: chunked.
    assert post(leader, b"x" * (1 << 20)) == 403  # Within the limit: Django rejects it for its missing CSRF token.
    leader.process.wait_for_log("POST /login/ 413 from=127.0.0.1")


def test_an_endless_body_is_cut_off(leader: RunningLeader) -> None:
    with pytest.raises((urllib.error.URLError, ConnectionError)):
        post(leader, itertools.repeat(b"x" * 65_536))


@contextlib.asynccontextmanager
async def stream(leader: RunningLeader, token: str) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(leader.grpc) as channel:
        call = stubs.NodeSyncStub(channel).Connect(metadata=(("authorization", f"Bearer {token}"),))
        yield call
        call.cancel()


async def until_end(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def test_a_base_client_reports_and_carries_out_commands(leader: RunningLeader) -> None:
    token = await asyncio.to_thread(leader.token, "base-1")
    async with stream(leader, token) as call:
        await call.write(
            pb.NodeUpdate(
                node_id="base-1", task_update=pb.TaskStatusUpdate(task_id="b1", state=pb.TASK_STATE_RUNNING, name="x")
            )
        )
        await eventually(lambda: leader.rows("SELECT state FROM nodes_task WHERE id = 'b1'") == [("running",)])
        submit = (
            "from nodes import services; from nodes.domain.commands import TaskSpec;"
            "print(services.submit_task(TaskSpec(node='base-1', argv=('true',)), actor='ann'))"
        )
        output = await asyncio.to_thread(leader.console.manage, "shell", "-c", submit)
        task_id = output.split()[-1]

        command = await call.read()

        assert (command.task_request.task_id, list(command.task_request.argv)) == (task_id, ["true"])
        assert command.epoch == 1
        states = "SELECT state FROM nodes_node WHERE id = 'base-1'"
        assert leader.rows(states) == [("online",)]
    await eventually(lambda: leader.rows(states)[0][0] in ("suspect", "offline"))


async def test_an_invalid_token_opens_no_stream(leader: RunningLeader) -> None:
    async with stream(leader, "wrong") as call:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call.read()

    assert failed.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_revoked_stream_ends_within_ten_seconds(leader: RunningLeader) -> None:
    token = await asyncio.to_thread(leader.token, "gone-1")
    async with stream(leader, token) as call:
        await call.write(pb.NodeUpdate(node_id="gone-1", metrics=pb.SystemMetrics(cpu_percent=1)))
        await eventually(lambda: leader.rows("SELECT 1 FROM nodes_node WHERE id = 'gone-1'"))
        await asyncio.to_thread(leader.console.manage, "token", "revoke", "--name", "gone-1")

        began = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await until_end(call)

    assert time.monotonic() - began < 10
    assert failed.value.code() is grpc.StatusCode.UNAUTHENTICATED


# --- stopping -------------------------------------------------------------------------------------


async def test_a_stop_is_clean_and_quick_and_the_next_epoch_higher(own_leader: RunningLeader) -> None:
    leader = await asyncio.to_thread(own_leader.start)
    token = await asyncio.to_thread(leader.token, "m")
    async with stream(leader, token) as call:
        await call.write(pb.NodeUpdate(node_id="m", metrics=pb.SystemMetrics(cpu_percent=1)))
        await eventually(lambda: leader.rows("SELECT 1 FROM nodes_node WHERE id = 'm'"))
        began = time.monotonic()

        assert await asyncio.to_thread(leader.process.stop) == 0

        assert time.monotonic() - began < 10
    log = leader.process.log()
    assert "the Leader has stopped" in log
    assert "Traceback" not in log
    assert not is_sqlite() or leader.rows("PRAGMA integrity_check") == [("ok",)]
    await asyncio.to_thread(leader.start)
    assert (leader.data_dir / "epoch").read_text() == "2\n"


async def test_a_stop_asks_open_dashboards_to_reconnect(own_leader: RunningLeader) -> None:
    """docs/websocket.md, "Errors and limits"."""
    leader = await asyncio.to_thread(own_leader.start)
    token = await asyncio.to_thread(leader.admins_token)
    async with open_client(f"ws://{leader.http}/ws/", token) as page, open_client(f"ws://{leader.http}/ws/", None):
        await page.until("AUTH_OK")

        stopping = asyncio.create_task(asyncio.to_thread(leader.process.stop))

        assert await page.closed() == 4503
        assert await stopping == 0
    log = leader.process.log()
    assert "the Leader has stopped" in log
    assert "Traceback" not in log


def test_a_killed_leader_does_not_block_the_next_start(own_leader: RunningLeader) -> None:
    own_leader.process.argv.append("--no-web")
    leader = own_leader.start()
    leader.process.kill()

    leader.start()

    assert "has not given it up" not in leader.process.log()  # The folder's lock proves that it is dead.
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://{leader.http}/", timeout=2)
    assert leader.process.stop() == 0
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_frozen_leader_is_replaced_and_does_not_write_when_it_wakes(
    own_leader: RunningLeader, tmp_path: Path
) -> None:
    """Two machines with one database: the second takes over when the first one's term has lapsed."""
    first = own_leader
    first.process.argv.append("--no-web")
    first.start()
    freeze_outside_a_transaction(first)
    (tmp_path / "second").mkdir()
    second = RunningLeader(tmp_path / "second", first.database, "--no-web", "--name", "second")
    second.env["DATABASE_URL"] = second.process.env["DATABASE_URL"] = first.database.url
    second.start()
    assert "has not given it up: waiting" in second.process.log()

    first.process.signal(signal.SIGCONT)

    assert first.process.wait() == 1
    assert (
        first.process.log()
        .splitlines()[-1]
        .endswith(
            f"another Leader ({socket.gethostname()}, process {second.process.pid}) has taken over the database; "
            "this Leader ends without writing anything more"
        )
    )
    assert second.rows("SELECT term, holder <> '' FROM nodes_leaderterm") == [(2, True)]
    assert [name for (name,) in second.rows("SELECT id FROM nodes_node WHERE state = 'online'")] == ["second"]
    second.end()


def freeze_outside_a_transaction(leader: RunningLeader) -> None:
    leader.process.signal(signal.SIGSTOP)
    while is_sqlite() and not may_write(leader.database.name):
        leader.process.signal(signal.SIGCONT)
        leader.process.signal(signal.SIGSTOP)


def may_write(path: str) -> bool:
    """A process that is frozen inside a transaction keeps the file's lock."""
    with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as store:
        try:
            store.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True


def test_pruning_on_demand_is_done_by_the_leader_or_without_one(own_leader: RunningLeader) -> None:
    leader = own_leader.start()
    asked = leader.console.manage("prune")
    elsewhere = {**leader.env, "AGENTFLOW_LEADER_GRPC": f"127.0.0.1:{free_port()}"}
    with pytest.raises(AssertionError, match="AGENTFLOW_LEADER_GRPC"):
        manage("prune", env=elsewhere)
    with pytest.raises(AssertionError, match="while no Leader runs: stop it first"):
        leader.console.manage("prune", "--shrink")
    leader.process.stop()
    with contextlib.closing(sqlite3.connect(leader.data_dir / "db.sqlite3", isolation_level=None)) as store:
        assert store.execute("PRAGMA auto_vacuum").fetchone() == (2,)  # The start has rewritten the older file.
        store.execute("CREATE TABLE filler AS SELECT zeroblob(3000000) AS x")
        store.execute("DROP TABLE filler")

    shrunk = manage("prune", "--shrink", env=leader.env)
    assert "2.9 MB given back to the disk" in shrunk
    alone = manage("prune", env=leader.env)

    assert asked == alone == "Nothing is over its limit of age or number.\n0 bytes given back to the disk\n"


async def test_a_snapshot_larger_than_any_message_of_a_client_arrives(leader: RunningLeader) -> None:
    """A snapshot of tasks with long Chinese names has up to 400 KiB."""
    token = await asyncio.to_thread(leader.admins_token)
    code = (
        "from django.utils import timezone; from nodes.models import Task;"
        "Task.objects.bulk_create([Task(id=f'big-{n}', name='编' * 200, spec={'shell_line': 'true'},"
        " state='running', created_at=timezone.now()) for n in range(500)])"
    )
    await asyncio.to_thread(leader.console.manage, "shell", "-c", code)
    logged = len(leader.process.log())

    async with open_client(f"ws://{leader.http}/ws/", token) as client:
        await client.send(type="SUBSCRIBE", topics=["tasks"])
        while (message := await client.receive())["type"] != "SNAPSHOT":
            pass

    assert len(json.dumps(message, ensure_ascii=False).encode()) > 256 * 1024
    assert "Traceback" not in leader.process.log()[logged:]
