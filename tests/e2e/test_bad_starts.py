"""A process that cannot start says why in one line and exits with code 2 (docs/operations.md, "Settings").

Ports in use and a second process on one data folder: tests/integration/test_leader.py and test_agent_start.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.processes import REPOSITORY, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


class Place:
    """A folder with everything that a start needs, plus several invalid files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = folder / "m1.token"
        self.token.touch(mode=0o600)
        self.token.write_text("header.claims.signature\n")
        self.config = folder / "agentflow.toml"
        (folder / "file").touch()

    def leader(self, *arguments: str, **env: str) -> str:
        addresses = ("--http", f"127.0.0.1:{free_port()}", "--grpc", f"127.0.0.1:{free_port()}")
        return self.refused("leader", *addresses, *arguments, **env)

    def master(self, *arguments: str, parent: str = "127.0.0.1:9", **env: str) -> str:
        """Runs what `manage.py master` executes."""
        return self._refused("-m", "nodes", *self.master_arguments(parent), *arguments, **env)

    def master_arguments(self, parent: str = "127.0.0.1:9") -> list[str]:
        own = ["--name", "m1", "--token-file", str(self.token), "--data-dir", str(self.folder / "agent")]
        return ["master", "--leader", parent, *own]

    def refused(self, *arguments: str, **env: str) -> str:
        """The single line that a failed start prints."""
        return self._refused("manage.py", *arguments, **env)

    def _refused(self, *arguments: str, **env: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=REPOSITORY,
            env={**os.environ, "AGENTFLOW_DATA_DIR": str(self.folder / "leader"), **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert done.stdout == ""
        (line,) = [line for line in done.stderr.splitlines() if " INFO " not in line]
        return line


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# --- the Leader and `up` -------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["leader", "up"])
def test_a_data_folder_that_cannot_be_written(place: Place, command: str) -> None:
    below = place.folder / "file" / "below"

    line = place.refused(command, AGENTFLOW_DATA_DIR=str(below))

    assert (
        line == f"agentflow: AGENTFLOW_DATA_DIR={below} cannot be written: Not a directory; give a folder of your own"
    )


def test_a_setting_that_is_not_a_number(place: Place) -> None:
    line = place.leader(AGENTFLOW_HEARTBEAT_SECONDS="soon")

    assert line == "agentflow: AGENTFLOW_HEARTBEAT_SECONDS=soon is not allowed: give 5 to 60"


def test_an_invalid_or_unreachable_database(place: Place) -> None:
    (place.folder / "leader").mkdir()
    (place.folder / "leader" / "db.sqlite3").write_text("this is not a database, and long enough to be looked at")

    assert "the database cannot be used: file is not a database" in place.leader()
    assert "the database cannot be used: connection failed" in place.leader(DATABASE_URL="postgres://127.0.0.1:9/x")


def test_a_command_before_there_is_a_database(place: Place) -> None:
    assert "the database cannot be used: no such table" in place.refused("apitoken", "new", "--user", "ada")


def test_tls_files_that_do_not_match(place: Place) -> None:
    one, other = Authority(place.folder).issue("one"), Authority(place.folder).issue("other")

    line = place.leader("--tls-cert", str(one.cert), "--tls-key", str(other.key))

    assert "are not a certificate and its key" in line
    assert "nowhere.key cannot be read" in place.leader("--tls-cert", str(one.cert), "--tls-key", "/nowhere.key")


@pytest.mark.parametrize("address", ["8000", "127.0.0.1:http", "127.0.0.1:99999"])
def test_an_invalid_address(place: Place, address: str) -> None:
    assert "expected HOST:PORT" in place.refused("up", "--http", address)


# --- agents ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[node]\nslots =\n", "line 2: invalid value"),
        ("[node]\nslot = 4\n", "line 2: unknown key 'slot'; known keys: allow_commands, slots"),
        ('[node]\nslots = "four"\n', "line 2: slots is 'four': expected a whole number from 1 to 1000."),
        ('[projects.shop]\npath = "/nowhere"\n', "line 2: project 'shop': there is no folder /nowhere"),
    ],
)
def test_a_configuration_that_is_wrong_is_named_with_line_and_reason(place: Place, text: str, words: str) -> None:
    place.config.write_text(text)

    assert place.master("--config", str(place.config)) == f"agentflow: {place.config}, {words}"


def test_a_missing_token_file(place: Place) -> None:
    line = place.master("--token-file", "/nowhere.token")

    assert line.startswith("agentflow: the token file /nowhere.token cannot be read: No such file or directory; create")


def test_an_agents_folder_that_cannot_be_written(place: Place) -> None:
    below = place.folder / "file" / "below"

    assert f"the data folder {below} cannot be written: Not a directory" in place.master("--data-dir", str(below))


def test_an_agents_setting_that_is_not_allowed(place: Place) -> None:
    assert "give 5 to 60" in place.master(AGENTFLOW_HEARTBEAT_SECONDS="soon")
    by_command = place.refused(*place.master_arguments(), AGENTFLOW_HEARTBEAT_SECONDS="3")
    assert "AGENTFLOW_HEARTBEAT_SECONDS" in by_command


def test_plain_text_to_other_machines_needs_insecure(place: Place) -> None:
    assert "is not on this machine: give --tls-ca FILE or --tls, or --insecure" in place.master(parent="10.0.0.1:1")
    assert "is not on this machine: give --hub-tls-cert and --hub-tls-key" in place.master("--hub", "0.0.0.0:0")


def test_an_agents_invalid_tls_files(place: Place) -> None:
    nothing = place.folder / "file"
    hub = ("--hub", "127.0.0.1:0", "--hub-tls-cert", str(nothing), "--hub-tls-key", str(nothing))

    assert f"the CA file {nothing} holds no certificate" in place.master("--tls-ca", str(nothing))
    assert "the CA file /nowhere.crt cannot be read" in place.master("--tls-ca", "/nowhere.crt")
    assert "are not a certificate and its key" in place.master(*hub)
