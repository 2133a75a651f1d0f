"""A real cluster on loopback: Leader, Masters and Edges as processes, each with its own data folder."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nodes.domain.states import Role
from nodes.stream.identity import ClusterKey, issue_credentials
from tests.support.eventually import eventually_sync
from tests.support.first_site import first_site
from tests.support.processes import REPOSITORY, Process, free_port, manage

# The shortest that the protocol allows: detection times scale with it.
HEARTBEAT_SECONDS = 5


class Cluster:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data_dir = folder / "leader"
        self.http_port, self.grpc_port, self.hub_port = free_port(), free_port(), free_port()
        self.grpc_host = "127.0.0.1"
        self.env = {
            "AGENTFLOW_DATA_DIR": str(self.data_dir),
            "AGENTFLOW_HEARTBEAT_SECONDS": str(HEARTBEAT_SECONDS),
            "AGENTFLOW_LEADER_GRPC": f"127.0.0.1:{self.grpc_port}",
            "DATABASE_URL": "",
        }
        self.processes: dict[str, Process] = {}
        self._knows_people = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def websocket_url(self) -> str:
        return f"ws://127.0.0.1:{self.http_port}/ws/"

    @property
    def database(self) -> Path:
        return self.data_dir / "db.sqlite3"

    # --- processes --------------------------------------------------------------------------------

    def add(self, name: str, argv: Sequence[str], **env: str) -> Process:
        process = Process(name, argv, log=self.folder / f"{name}.log", env={**self.env, **env})
        self.processes[name] = process
        return process

    def start_leader(self, *arguments: str, **env: str) -> Process:
        if "leader" not in self.processes:
            self._prepare_database()
        leader = self.processes.get("leader") or self.add(
            "leader",
            [
                *(sys.executable, "manage.py", "leader"),
                *("--http", f"127.0.0.1:{self.http_port}", "--grpc", f"{self.grpc_host}:{self.grpc_port}"),
                *arguments,
            ],
            **env,
        )
        leader.start()
        if "--no-web" not in arguments:
            self.wait_for_web(leader)
        return leader

    def _prepare_database(self) -> None:
        """Copies a prepared database: a first start would migrate it, which is slow for so many clusters."""
        if not self.database.exists():
            first_site().copy_to(self.data_dir)
            self._knows_people = True

    def wait_for_web(self, process: Process, timeout: float = 90.0) -> None:
        def answers() -> bool:
            assert process.is_running, f"{process.name} ended:\n{process.log()[-4000:]}"
            try:
                urllib.request.urlopen(f"{self.url}/readyz", timeout=4).read()
            except OSError:
                return False
            return True

        eventually_sync(answers, timeout, f"{self.url} answers")

    def node_token(self, role: str, name: str) -> str:
        """Signed like `manage.py token new`, but without starting a command, which takes a second."""
        return issue_credentials(ClusterKey.load_or_create(self.data_dir), node_id=name, role=Role(role)).file_text

    def start_agent(
        self,
        role: str,
        name: str,
        *arguments: str,
        config: Path | None = None,
        parent: str = "",
        prefix: Sequence[str] = (),
        **env: str,
    ) -> Process:
        """`parent`: another address than the Leader's or master-1's; `prefix`: a program that becomes the agent."""
        if name not in self.processes:
            token = self.folder / f"{name}.token"
            token.touch(mode=0o600)
            token.write_text(self.node_token(role, name))
            own_parent = f"{self.grpc_host}:{self.grpc_port}" if role == "master" else f"127.0.0.1:{self.hub_port}"
            parent = parent or own_parent
            self.add(
                name,
                [
                    *prefix,
                    # What `manage.py master` executes; tests/e2e/test_compose.py and test_up.py use the command itself.
                    *(sys.executable, "-m", "nodes", role),
                    *("--leader" if role == "master" else "--master", parent),
                    *("--token-file", str(token), "--name", name, "--data-dir", str(self.folder / name)),
                    *("--config", str(config or REPOSITORY / "examples/demo/agentflow.toml")),
                    *arguments,
                ],
                **env,
            )
        return self.processes[name].start()

    def start_all(self, config: Path | None = None) -> None:
        """Leader, master-1 (with a hub), master-2 and edge-1 behind master-1; all online when this returns."""
        self.start_leader()
        self.start_agent("master", "master-1", "--hub", f"127.0.0.1:{self.hub_port}", config=config)
        self.start_agent("master", "master-2", config=config)
        self.start_agent("edge", "edge-1", config=config)
        self.wait_online("master-1", "master-2", "edge-1")

    def clean_up(self) -> None:
        """Cleans up after a test: restarts or continues processes, ends running tasks."""
        for name, process in self.processes.items():
            process.signal(signal.SIGCONT)
            if not process.is_running:
                self.start_leader() if name == "leader" else process.start()
        self.wait_online(*(name for name in self.processes if name != "leader"))
        under_way = "SELECT id FROM nodes_task WHERE state NOT IN ('succeeded', 'failed', 'cancelled', 'lost')"
        for (task,) in self.rows(under_way):
            with contextlib.suppress(OSError):  # It has ended by itself.
                self.control(task, "cancel")
        eventually_sync(lambda: not self.rows(under_way), 30, "no task is running")

    def stop(self) -> None:
        """Ends every process and every task that a test left running."""
        for process in reversed(self.processes.values()):
            process.signal(signal.SIGCONT)
            process.signal(signal.SIGTERM)
        for process in reversed(self.processes.values()):
            try:
                process.wait()
            except subprocess.TimeoutExpired:
                process.kill()
        for shim in self.shims():
            with contextlib.suppress(ProcessLookupError):
                _kill_tree(shim)

    def shims(self) -> list[int]:
        """Process ids of the shims of this cluster's tasks."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if f"{self.folder}/".encode() in (entry / "cmdline").read_bytes() and "shim" in (
                        (entry / "cmdline").read_text(errors="replace")
                    ):
                        found.append(int(entry.name))
        return found

    # --- what a person or program does ------------------------------------------------------------

    def api_token(self, role: str = "admin") -> str:
        """An API token of a user with this role, or without one ("nobody")."""
        self._load_people()
        return first_site().tokens[role]

    def session_cookie(self, role: str) -> tuple[str, str]:
        """Name and value of a logged-in user's cookie. Only for a data folder that this class has created."""
        self._load_people()
        return first_site().cookie_name, first_site().sessions[role]

    def _load_people(self) -> None:
        if not self._knows_people:
            first_site().add_people_to(self.database)
            self._knows_people = True

    def forget_people(self) -> None:
        """Call it when the database has been deleted."""
        self._knows_people = False

    def write(self, statement: str, *parameters: object) -> None:
        """Writes to the database directly, without the Leader."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=10)) as connection, connection:
            connection.execute(statement, parameters)

    def login_link(self, user: str = "admin") -> str:
        text = manage("loginlink", "--user", user, "--base-url", self.url, env=self.env)
        return next(word for word in text.split() if word.startswith("http"))

    def api(self, method: str, path: str, body: object = None, role: str = "admin") -> Any:
        request = urllib.request.Request(
            f"{self.url}/api/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.api_token(role)}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=15) as answer:
            return json.loads(answer.read() or b"null")

    def run(self, node: str, *argv: str, **more: object) -> str:
        """Submits a command; the task's id."""
        answer = self.api("POST", "tasks/", {"node": node, "name": argv[0], "argv": list(argv), **more})
        return str(answer["id"])

    def task(self, task_id: str) -> dict[str, Any]:
        return dict(self.api("GET", f"tasks/{task_id}/"))

    def control(self, task_id: str, action: str, **more: object) -> Any:
        return self.api("POST", f"tasks/{task_id}/control/", {"action": action, **more})

    def wait_task(self, task_id: str, *states: str, timeout: float = 30.0) -> dict[str, Any]:
        last: dict[str, Any] = {}

        def reached() -> bool:
            nonlocal last
            last = self.task(task_id)
            return last["state"] in states

        eventually_sync(reached, timeout, f"task {task_id} {states}; last: {last}")
        return last

    def wait_online(self, *names: str, timeout: float = 40.0) -> None:
        def online() -> bool:
            states = {node["id"]: node["state"] for node in self.api("GET", "nodes/")["results"]}
            return all(states.get(name) == "online" for name in names)

        eventually_sync(online, timeout, f"{names} online")

    # --- read from outside ------------------------------------------------------------------------

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(query, parameters).fetchall()

    def log_lines(self, task_id: str) -> list[str]:
        return [
            text
            for (text,) in self.rows(
                "SELECT text FROM nodes_logline WHERE task_id = ? AND stream < 3 ORDER BY attempt, number", task_id
            )
        ]


def _kill_tree(pid: int) -> None:
    import psutil

    root = psutil.Process(pid)
    for process in [*root.children(recursive=True), root]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    made = Cluster(folder)
    try:
        yield made
    finally:
        made.stop()
