"""A cluster on one machine: Leader, two Masters and an Edge as child processes of `manage.py up`.

Start order: migrate → cluster key → tokens → Leader → Masters → Edge. The children run the same commands that you would
run by hand on several machines. A child that exits is restarted; one that keeps exiting stops the cluster.
"""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.management import call_command

from nodes.domain.states import Action, Role, TaskState
from nodes.domain.unseen import visible
from nodes.errors import ConfigError
from nodes.waits import wait_at_most

READY_SECONDS = 60.0
STOP_SECONDS = 15.0
# SIGTERM, 10 s, SIGKILL, and time to report the ends.
CANCEL_SECONDS = 15.0
RESTART_SECONDS = 1.0
# A child that exited this often within a minute will not recover by itself.
RESTARTS_PER_MINUTE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    http: str
    grpc: str
    hub: str
    stop_tasks: bool = False


@dataclass(frozen=True, slots=True)
class Child:
    """One process of the cluster; `arguments` are those of `manage.py`."""

    name: str
    arguments: tuple[str, ...]
    ends: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS_PER_MINUTE))


class LocalCluster:
    """Runs until Ctrl-C or SIGTERM, or until a child keeps exiting. `say` prints a line for the user."""

    def __init__(self, config: ClusterConfig, say: Callable[[str], object]) -> None:
        self._config = config
        self._say = say
        self._asked = asyncio.Event()  # The user requested a stop; with `stop_tasks`, tasks are cancelled first.
        self._stopping = asyncio.Event()
        self._failed = False
        self._processes: set[asyncio.subprocess.Process] = set()

    async def run(self) -> int:
        """Returns the exit code, 0 after a requested stop. Raises `ConfigError` when the cluster cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)
        loop.add_signal_handler(signal.SIGHUP, self._on_hang_up)
        for address in (self._config.http, self._config.grpc, self._config.hub):
            _require_free(address)
        children = await sync_to_async(self._prepare)()
        async with asyncio.TaskGroup() as group:
            leader, *agents = children
            group.create_task(self._keep_running(leader), name=leader.name)
            if await self._leader_answers():
                for child in agents:
                    group.create_task(self._keep_running(child), name=child.name)
                self._say(await sync_to_async(self._greeting)())
            if self._config.stop_tasks and await self._wait_until_asked():
                await sync_to_async(self._cancel_tasks)()
                self._stopping.set()
        return 1 if self._failed else 0

    def _on_signal(self) -> None:
        # A second signal stops without waiting for tasks.
        if self._asked.is_set() or not self._config.stop_tasks:
            self._stopping.set()
        self._asked.set()

    def _on_hang_up(self) -> None:
        """Passes SIGHUP on: the agents read their configuration again."""
        for process in self._processes:
            if process.returncode is None:
                process.send_signal(signal.SIGHUP)

    # --- before the start -------------------------------------------------------------------------

    def _prepare(self) -> list[Child]:
        call_command("migrate", verbosity=0)
        agents = []
        for name, role in (("master-1", Role.MASTER), ("master-2", Role.MASTER), ("edge-1", Role.EDGE)):
            token = settings.DATA_DIR / "tokens" / f"{name}.token"
            if role is Role.EDGE and token.exists() and "PRIVATE KEY" not in token.read_text():
                token.unlink()  # Of a version before keys.
            if not token.exists():
                issued = io.StringIO()
                call_command("token", "new", "--role", role.value, "--name", name, stdout=issued)
                _write_secret(token, issued.getvalue())
            agents.append(self._agent(name, role, token))
        return [Child("leader", ("leader", "--http", self._config.http, "--grpc", self._config.grpc)), *agents]

    def _agent(self, name: str, role: Role, token: Path) -> Child:
        where = ("--leader", self._config.grpc) if role is Role.MASTER else ("--master", self._config.hub)
        demo = settings.BASE_DIR / "examples/demo/agentflow.toml"
        folder = settings.DATA_DIR / "nodes" / name
        arguments = (role.value, *where, "--token-file", str(token), "--name", name, "--data-dir", str(folder))
        hub = ("--hub", self._config.hub) if name == "master-1" else ()
        return Child(name, (*arguments, *hub, *(("--config", str(demo)) if demo.exists() else ())))

    def _greeting(self) -> str:
        from dashboard.accounts.links import create_login_link

        link = create_login_link("admin", base_url=f"http://{self._config.http}")
        return (
            f"\nAgentFlow runs on http://{self._config.http}\n"
            f"Log in once with this link (15 minutes, one use): {link}\n"
            f"For a new link: {Path(sys.argv[0]).name} loginlink. Ctrl-C stops the cluster"
            f"{', its tasks included' if self._config.stop_tasks else '; running tasks continue'}.\n"
        )

    # --- the end ----------------------------------------------------------------------------------

    async def _wait_until_asked(self) -> bool:
        """False when the cluster stops by itself."""
        waits = [asyncio.create_task(event.wait()) for event in (self._asked, self._stopping)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return not self._stopping.is_set()

    def _cancel_tasks(self) -> None:
        """Cancels tasks that run or wait, as a user would; returns when all have ended, or on timeout."""
        from nodes import selectors, services
        from nodes.errors import AgentFlowError

        deadline = time.monotonic() + CANCEL_SECONDS
        open_states = {state for state in TaskState if not state.is_final}
        tasks = selectors.task_list(state=open_states, limit=500)["results"]
        self._say(f"Cancelling {len(tasks)} tasks …")
        for task in tasks:
            try:
                services.control_task(task["id"], Action.CANCEL, actor="up", reason="the cluster stops")
            except AgentFlowError as exc:
                self._say(f"{task['name']} keeps running: {exc}")
        while time.monotonic() < deadline and not self._stopping.is_set():
            if not selectors.task_list(state=open_states, limit=1)["results"]:
                return
            time.sleep(0.2)

    # --- while it runs ----------------------------------------------------------------------------

    async def _keep_running(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            code = await self._run_once(child)
            if self._stopping.is_set():
                return
            child.ends.append(loop.time())
            if len(child.ends) == child.ends.maxlen and loop.time() - child.ends[0] < 60:
                self._say(f"{child.name} keeps exiting (exit code {code}): see its last lines above. Stopping.")
                self._failed = True
                self._stopping.set()
                return
            self._say(f"{child.name} exited with code {code}; restarting it")
            await wait_at_most(self._stopping, RESTART_SECONDS)

    async def _run_once(self, child: Child) -> int:
        # A child that starts inherits this: SIGHUP waits until the child ignores or handles it.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        try:
            process = await self._start(child)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
        assert process.stdout is not None  # stdout=PIPE was passed.
        self._processes.add(process)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._relay_output(child.name, process.stdout), name=f"{child.name} output")
                stopper = group.create_task(self._stop_when_asked(process), name=f"{child.name} stop")
                code = await process.wait()
                stopper.cancel()
        finally:
            self._processes.discard(process)
        return code

    async def _start(self, child: Child) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "manage.py", *child.arguments),
            cwd=settings.BASE_DIR,
            env=_environment(child, self._config.grpc),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            # Ctrl-C signals the terminal's whole process group; the children must get only our orderly SIGTERM.
            start_new_session=True,
        )

    async def _relay_output(self, name: str, output: asyncio.StreamReader) -> None:
        while chunk := await output.read(1 << 16):
            for line in chunk.decode(errors="replace").splitlines():
                self._say(visible(f"{name:>9} | {line}"))

    async def _stop_when_asked(self, process: asyncio.subprocess.Process) -> None:
        await self._stopping.wait()
        try:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
        except ProcessLookupError:
            pass  # It has already exited.

    async def _leader_answers(self) -> bool:
        """False when a stop was requested, or on timeout. Polling is cheap: it only opens a connection."""
        host, _, port = self._config.http.rpartition(":")
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not self._stopping.is_set():
                    try:
                        _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                        writer.close()
                        await writer.wait_closed()
                        return True
                    except OSError:
                        await asyncio.sleep(0.1)  # Not ready yet; the timeout above limits the wait.
        except TimeoutError:
            self._say(f"The Leader does not answer on {self._config.http} within {READY_SECONDS:g} s. Stopping.")
            self._failed = True
            self._stopping.set()
        return False


def _require_free(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        if not host:  # An empty host means every address of this machine.
            raise ValueError(address)
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host.strip("[]"), int(port)))
    except (ValueError, OverflowError) as exc:
        raise ConfigError(f"{address} is not an address: expected HOST:PORT, such as 127.0.0.1:8000") from exc
    except OSError as exc:
        raise ConfigError(
            f"{address} cannot be used: {exc.strerror or exc}; "
            "is AgentFlow running already? For other addresses: manage.py up --http, --grpc, --hub"
        ) from exc


def _write_secret(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _environment(child: Child, leader: str) -> dict[str, str]:
    """Only the Leader gets the model's settings: tasks of the same user can read an agent's environment."""
    environment = {**os.environ, "AGENTFLOW_LEADER_GRPC": leader}
    if child.arguments[0] != "leader":
        for name in ("AGENTFLOW_CHAT_API_KEY", "AGENTFLOW_CHAT_API_KEY_FILE", "AGENTFLOW_CHAT_PROVIDER"):
            environment.pop(name, None)
    return environment
