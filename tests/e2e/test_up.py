"""`manage.py up`, the command of the README."""

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
from tests.support.modes import open_to_others
from tests.support.processes import Process

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path) as made:
        # The tasks' folders are below the data folder, where `Cluster` finds their shims.
        made.data_dir = tmp_path / "data"
        made.env["AGENTFLOW_DATA_DIR"] = str(made.data_dir)
        # As an older version, a copy or a careless hand leaves them.
        made.data_dir.mkdir()
        made.data_dir.chmod(0o755)
        (made.data_dir / "db.sqlite3.old").touch()
        (made.data_dir / "db.sqlite3.old").chmod(0o644)
        yield made


def up(fleet: Cluster) -> Process:
    address = [f"127.0.0.1:{port}" for port in (fleet.http_port, fleet.grpc_port, fleet.hub_port)]
    argv = [sys.executable, "manage.py", "up", "--http", address[0], "--grpc", address[1], "--hub", address[2]]
    return fleet.add("up", argv)


def test_first_start_a_stop_that_leaves_tasks_running_and_one_that_ends_them(fleet: Cluster) -> None:
    """One cluster for all checks, because each start takes seconds of CPU."""
    process = up(fleet).start()
    process.wait_for_log("Log in once with this link", timeout=60)
    fleet.wait_online("master-1", "master-2", "edge-1")
    process.signal(signal.SIGHUP)  # Passed on to all; ends none of them.
    expect_a_link_and_secrets(fleet, process)
    task = fleet.run("master-2", "cat")
    pid = pid_of(fleet, task)
    assert fleet.data_dir / "nodes/master-2/commands.db" in fleet.data_dir.rglob("*.db")
    assert open_to_others(fleet.data_dir) == []

    process.signal(signal.SIGINT)
    assert process.wait(30) == 0, process.log()[-3000:]
    assert Path(f"/proc/{pid}").exists()
    assert "Traceback" not in process.log()
    assert "restarting it" not in process.log()
    process.log_path.unlink()
    process.argv.append("--stop-tasks")
    process.start()
    process.wait_for_log("Log in once with this link", timeout=60)
    fleet.wait_online("master-2", "edge-1")
    fleet.control(task, "input", input="still here\n", closeInput=True)

    fleet.wait_task(task, "succeeded")
    assert eventually_sync(lambda: fleet.log_lines(task)) == ["still here"]
    task = fleet.run("edge-1", "cat")
    pid = pid_of(fleet, task)

    process.signal(signal.SIGINT)

    assert process.wait(40) == 0, process.log()[-3000:]
    assert not Path(f"/proc/{pid}").exists()
    assert fleet.rows("SELECT state FROM nodes_task WHERE id = ?", task) == [("cancelled",)]
    assert "Traceback" not in process.log()


def expect_a_link_and_secrets(fleet: Cluster, process: Process) -> None:
    link = re.search(r"http://\S+/login/link/\S+", process.log())
    assert link
    assert "<button" in urllib.request.urlopen(link[0], timeout=10).read().decode()
    secrets = [fleet.data_dir / "secret_key", fleet.data_dir / "cluster.key", *fleet.data_dir.glob("tokens/*")]
    assert len(secrets) >= 5


def pid_of(fleet: Cluster, task: str) -> int:
    """Process id of a running task."""
    fleet.wait_task(task, "running")
    return int(fleet.rows("SELECT pid FROM nodes_attempt WHERE task_id = ?", task)[0][0])


def test_port_in_use_is_one_clear_line(fleet: Cluster) -> None:
    with socket.create_server(("127.0.0.1", fleet.http_port)):
        process = up(fleet).start()
        assert process.wait(30) != 0

    (line,) = process.log().strip().splitlines()
    assert f"127.0.0.1:{fleet.http_port} cannot be used" in line
