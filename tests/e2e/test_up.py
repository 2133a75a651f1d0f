"""`manage.py up`: the one command of the README."""

from __future__ import annotations

import re
import signal
import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import Cluster, cluster
from tests.support.eventually import eventually_sync
from tests.support.processes import Process

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path) as made:
        # The tasks' folders lie below the data folder; `Cluster` finds their shims by it.
        made.data_dir = tmp_path / "data"
        made.env["AGENTFLOW_DATA_DIR"] = str(made.data_dir)
        yield made


def up(fleet: Cluster, *arguments: str) -> Process:
    address = [f"127.0.0.1:{port}" for port in (fleet.http_port, fleet.grpc_port, fleet.hub_port)]
    argv = [sys.executable, "manage.py", "up", "--http", address[0], "--grpc", address[1], "--hub", address[2]]
    return fleet.processes.get("up") or fleet.add("up", [*argv, *arguments])


def test_cluster_is_ready_with_a_login_link_and_secrets_are_private(fleet: Cluster) -> None:
    process = up(fleet).start()
    process.wait_for_log("Log in once with this link", timeout=60)
    fleet.wait_online("master-1", "master-2", "edge-1")

    link = re.search(r"http://\S+/login/link/\S+", process.log())
    assert link
    assert "<button" in urllib.request.urlopen(link[0], timeout=10).read().decode()
    secrets = [fleet.data_dir / "secret_key", fleet.data_dir / "cluster.key", *fleet.data_dir.glob("tokens/*")]
    assert len(secrets) >= 5
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}
    assert fleet.data_dir.stat().st_mode & 0o777 == 0o700


def test_tasks_go_on_after_a_stop_and_are_found_again(fleet: Cluster) -> None:
    process = up(fleet).start()
    process.wait_for_log("Log in once with this link", timeout=60)
    fleet.wait_online("master-2")
    task = fleet.run("master-2", "cat")
    fleet.wait_task(task, "running")
    pid = fleet.rows("SELECT pid FROM nodes_attempt WHERE task_id = ?", task)[0][0]

    process.signal(signal.SIGINT)
    assert process.wait(30) == 0, process.log()[-3000:]
    assert Path(f"/proc/{pid}").exists()
    process.log_path.unlink()
    process.start()
    process.wait_for_log("Log in once with this link", timeout=60)
    fleet.wait_online("master-2")
    fleet.control(task, "input", input="still here\n", closeInput=True)

    fleet.wait_task(task, "succeeded")
    assert eventually_sync(lambda: fleet.log_lines(task)) == ["still here"]
    assert "Traceback" not in process.log()


def test_stop_tasks_cancels_what_runs(fleet: Cluster) -> None:
    process = up(fleet, "--stop-tasks").start()
    process.wait_for_log("Log in once with this link", timeout=60)
    fleet.wait_online("edge-1")
    task = fleet.run("edge-1", "cat")
    fleet.wait_task(task, "running")
    pid = fleet.rows("SELECT pid FROM nodes_attempt WHERE task_id = ?", task)[0][0]

    process.signal(signal.SIGINT)

    assert process.wait(40) == 0, process.log()[-3000:]
    assert not Path(f"/proc/{pid}").exists()
    assert fleet.rows("SELECT state FROM nodes_task WHERE id = ?", task) == [("cancelled",)]


def test_port_in_use_is_one_clear_line(fleet: Cluster) -> None:
    with socket.create_server(("127.0.0.1", fleet.http_port)):
        process = up(fleet).start()
        assert process.wait(30) != 0

    (line,) = process.log().strip().splitlines()
    assert f"127.0.0.1:{fleet.http_port} cannot be used" in line
