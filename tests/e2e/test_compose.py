"""compose.yaml: its commands form a working cluster when started as processes, without Docker."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.cluster import Cluster, cluster
from tests.support.eventually import eventually_sync
from tests.support.processes import REPOSITORY

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

COMPOSE = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())


def argv_of(service: str) -> list[str]:
    command = COMPOSE["services"][service]["command"]
    return shlex.split(command) if isinstance(command, str) else [part.replace("$$", "$") for part in command]


def on_this_machine(fleet: Cluster, service: str) -> list[str]:
    """The service's command with the container's names and folders replaced by this machine's."""
    data = {"/data": str(fleet.data_dir if service in ("setup", "leader") else fleet.folder / service)}
    names = data | {
        "/tokens": str(fleet.folder / "tokens"),
        "0.0.0.0:8000": f"127.0.0.1:{fleet.http_port}",
        "0.0.0.0:7946": f"127.0.0.1:{fleet.grpc_port}",
        "leader:7946": f"127.0.0.1:{fleet.grpc_port}",
        "python manage.py": f"{sys.executable} manage.py",
    }
    argv = argv_of(service)
    for old, new in names.items():
        argv = [part.replace(old, new) for part in argv]
    return [sys.executable if part == "python" else part for part in argv]


def test_there_is_one_leader_and_two_masters() -> None:
    assert set(COMPOSE["services"]) == {"setup", "leader", "master-1", "master-2"}


def test_volumes_and_folders_that_services_use_are_declared() -> None:
    used = {volume.split(":")[0] for service in COMPOSE["services"].values() for volume in service.get("volumes", [])}

    assert used == set(COMPOSE["volumes"])


def test_page_is_published_on_loopback_only() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]

    assert ports == ["127.0.0.1:8000:8000"]


def test_the_image_has_what_the_commands_name() -> None:
    for name in ("master-1", "master-2"):
        argv = argv_of(name)
        assert Path(REPOSITORY / argv[argv.index("--config") + 1]).exists()


def test_commands_form_a_cluster(tmp_path: Path) -> None:
    with cluster(tmp_path) as fleet:
        (tmp_path / "tokens").mkdir()
        setup = fleet.add("setup", on_this_machine(fleet, "setup")).start()
        assert setup.wait(60) == 0, setup.log()
        for name in ("leader", "master-1", "master-2"):
            fleet.add(name, on_this_machine(fleet, name)).start()
        fleet.wait_for_web(fleet.processes["leader"])

        fleet.wait_online("master-1", "master-2")
        task = fleet.run("master-2", "echo", "from compose")
        fleet.wait_task(task, "succeeded")
        assert eventually_sync(lambda: fleet.log_lines(task)) == ["from compose"]
        # Started again, as after a reboot: the tokens are not recreated.
        token = (tmp_path / "tokens/master-1.token").read_text()
        again = setup.start()
        assert again.wait(60) == 0, again.log()
        assert (tmp_path / "tokens/master-1.token").read_text() == token
