"""The agent as a process: how it starts, when it refuses to start, and that it stays small."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.eventually import eventually_sync
from tests.support.modes import open_to_others

ROOT = Path(__file__).resolve().parents[2]
# A port without a listener: the agent keeps retrying and logs it.
NOBODY = "127.0.0.1:9"

pytestmark = pytest.mark.slow


class AgentProcess:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token = folder / "m1.token"
        self.token.touch(mode=0o600)
        self.token.write_text("header.claims.signature\n")
        self.log = folder / "agent.log"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *more: str, data_dir: str = "data") -> list[str]:
        return [
            *(sys.executable, "-m", "nodes", "master", "--leader", NOBODY, "--name", "m1"),
            *("--token-file", str(self.token), "--data-dir", str(self.folder / data_dir), *more),
        ]

    def start(self, *more: str) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command(*more), cwd=ROOT, stderr=log)
        eventually_sync(lambda: "next try in" in self.log.read_text(), timeout=20)

    def fails(self, *more: str, data_dir: str = "data", code: int = 2) -> str:
        """The one line that it prints before it exits."""
        done = subprocess.run(
            self.command(*more, data_dir=data_dir), cwd=ROOT, capture_output=True, text=True, timeout=30
        )
        assert done.returncode == code, done.stderr
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        return line


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    made = AgentProcess(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def test_an_unreachable_leader_is_retried_and_a_stop_is_clean(agent: AgentProcess) -> None:
    agent.start()
    assert agent.process is not None
    agent.process.terminate()

    assert agent.process.wait(10) == 0
    log = agent.log.read_text()
    assert f"no stream to {NOBODY}: connection refused: nothing is listening there; next try in" in log
    assert "Traceback" not in log
    data = agent.folder / "data"
    assert open_to_others(data) == []
    assert {"agent.lock", "states.db", "logs.db", "commands.db", "tasks"} <= {path.name for path in data.iterdir()}


def test_a_second_agent_on_the_same_folder_is_refused(agent: AgentProcess) -> None:
    agent.start()
    assert agent.process is not None

    assert f"another agent (process {agent.process.pid}) already uses" in agent.fails()
    assert agent.process.poll() is None


def test_a_killed_agent_leaves_no_lock_behind(agent: AgentProcess) -> None:
    agent.start()
    assert agent.process is not None
    agent.process.kill()
    agent.process.wait()
    agent.log.unlink()

    agent.start()
    assert agent.process.poll() is None or agent.process.pid


def test_every_impossible_start_is_one_line(agent: AgentProcess) -> None:
    config = agent.folder / "agentflow.toml"
    config.write_text("[node]\nslots = many\n")
    blocked = agent.folder / "file"
    blocked.touch()

    assert agent.fails("--config", str(config)) == f"agentflow: {config}, line 2: invalid value"
    assert "the data folder" in agent.fails(data_dir="file/below")
    assert "cannot be read: No such file" in agent.fails("--token-file", "/nowhere.token")
    agent.token.write_text("two words")
    assert "contains no token" in agent.fails()
    agent.token.write_bytes(b"\xff\xfe")
    assert "contains no token" in agent.fails()
    agent.token.chmod(0o640)
    assert agent.fails().endswith(f"only its owner may read it; run: chmod 600 {agent.token}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_of_another_user(agent: AgentProcess) -> None:
    assert "cannot be written: Permission denied" in agent.fails(data_dir="/proc/agentflow")


def test_the_agent_loads_no_django_and_stays_small(agent: AgentProcess) -> None:
    agent.start()
    assert agent.process is not None
    proc = Path(f"/proc/{agent.process.pid}")
    resident_kb = next(
        int(line.split()[1]) for line in (proc / "status").read_text().splitlines() if line.startswith("VmRSS")
    )

    assert resident_kb < 45 * 1024
    code = (
        "import sys; import nodes.agent.roles.start; print([m for m in sys.modules if m.partition('.')[0] == 'django'])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_the_management_command_becomes_the_agent(agent: AgentProcess) -> None:
    arguments = agent.command()[4:]
    with agent.log.open("ab") as log:
        agent.process = subprocess.Popen(
            [sys.executable, "manage.py", "master", *arguments],
            cwd=ROOT,
            stderr=log,
            env={**os.environ, "AGENTFLOW_DATA_DIR": str(agent.folder / "site")},
        )
    eventually_sync(lambda: "next try in" in agent.log.read_text(), timeout=20)

    command = Path(f"/proc/{agent.process.pid}/cmdline").read_bytes().split(b"\0")
    assert command[1:4] == [b"-m", b"nodes", b"master"]
    agent.process.send_signal(signal.SIGINT)
    assert agent.process.wait(10) == 0


def test_a_hub_port_in_use_stops_the_master_with_one_line(agent: AgentProcess) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = agent.fails("--hub", address)

    assert line == f"agentflow: cannot listen on {address}: Address already in use"
    assert not (agent.folder / "data" / "states.db").exists()


def test_a_hang_up_never_ends_an_agent_and_makes_it_read_its_configuration(agent: AgentProcess) -> None:
    config = agent.folder / "agentflow.toml"
    config.write_text("[node]\nslots = 1\n")
    # As `up` starts its children: a signal before the first line of Python waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    try:
        with agent.log.open("ab") as log:
            agent.process = subprocess.Popen(agent.command("--config", str(config)), cwd=ROOT, stderr=log)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
    agent.process.send_signal(signal.SIGHUP)
    eventually_sync(lambda: "next try in" in agent.log.read_text(), timeout=20)
    config.write_text("[node]\nslots = no\n")
    agent.process.send_signal(signal.SIGHUP)

    eventually_sync(lambda: f"stays in force: {config}, line 2: invalid value" in agent.log.read_text())
    config.write_text("[node]\nslots = 2\n")
    eventually_sync(lambda: f"configuration read again: {config}" in agent.log.read_text())
    assert agent.process.poll() is None
