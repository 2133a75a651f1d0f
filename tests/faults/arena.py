"""A cluster for fault injection: real processes, tasks that record what they do, watching dashboards, checks."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import psutil

from nodes.domain.states import TaskState
from tests.faults import invariants
from tests.faults.evidence import Database, read_database, read_journals, read_outputs_left, read_positions, reading
from tests.faults.invariants import Resources
from tests.faults.truth import Run, Truth
from tests.faults.view import View
from tests.faults.watcher import Watcher, Watchers
from tests.support.cluster import Cluster
from tests.support.eventually import eventually_sync
from tests.support.processes import REPOSITORY

PROGRAM = REPOSITORY / "tests/faults/program.py"
SLOTS = "16"
SETTLE_SECONDS = 60.0
_ENDS = tuple(str(state) for state in TaskState if state.is_final)
_OPEN = tuple(str(state) for state in TaskState if not state.is_final)


class Arena:
    """Every scenario must call `check`, which ends every task and checks all invariants once nothing is pending."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = Cluster(folder)
        self.truth = Truth(folder / "truth")
        self.watchers = Watchers()
        self.dashboards: list[Watcher] = []  # All are checked; the first one stays open.
        self.was_checked = False
        self.inputs: dict[str, str] = {}  # Text -> id of its command; "" = unknown.
        self.away: set[str] = set()  # Nodes that a scenario leaves stopped.
        self.expects_dead_letters = False
        self.lost: set[tuple[str, int]] = (
            set()
        )  # Attempts whose supervisor was killed: their last lines may be missing.
        self.in_gap: set[tuple[str, int]] = set()  # Attempts whose history was dropped on purpose, with a gap.
        self._base: dict[str, Resources] = {}
        self._token = ""  # Of the dashboards; read at every connection.

    # --- lifecycle ----------------------------------------------------------------------------------

    def start(self, *, masters: int = 2, edge: bool = True) -> Arena:
        self.start_leader()
        for number in range(1, masters + 1):
            hub = ("--hub", f"127.0.0.1:{self.cluster.hub_port}") if edge and number == 1 else ()
            self.start_master(f"master-{number}", *hub)
        if edge:
            self.cluster.start_agent("edge", "edge-1", "--slots", SLOTS)
        self.ready()
        return self

    def start_leader(self, *arguments: str, **env: str) -> None:
        self.cluster.start_leader(*arguments, **env)
        self._token = self.cluster.api_token()

    def start_master(self, name: str, *arguments: str, **more: Any) -> None:
        self.cluster.start_agent("master", name, "--slots", SLOTS, *arguments, **more)

    def ready(self) -> None:
        """Waits until all nodes are online and a dashboard is open and warm; then takes the baseline."""
        self.cluster.wait_online(*self.agents, timeout=60)
        self.watch()
        for node in self.agents:
            self.wait_end(self.run(node, "--lines", "200", "--pause", "0"))
        self.settle()
        self._base = self.resources()

    def stop(self) -> None:
        try:
            self.watchers.stop()
        finally:
            self.cluster.stop()

    @property
    def agents(self) -> list[str]:
        return [name for name in self.cluster.processes if name != "leader" and name not in self.away]

    def watch(self) -> Watcher:
        """Opens another dashboard."""
        made = self.watchers.open(self.cluster.websocket_url, lambda: self._token)
        self.dashboards.append(made)
        return made

    def leave(self) -> None:
        """Closes all dashboards but the first."""
        for dashboard in self.dashboards[1:]:
            self.watchers.close(dashboard)
        del self.dashboards[1:]

    # --- tasks --------------------------------------------------------------------------------------

    def run(self, node: str, *options: str, **more: object) -> str:
        """Submits `program.py`; returns the task's id."""
        return self.cluster.run(node, sys.executable, str(PROGRAM), str(self.truth.folder), *options, **more)

    def start_task(self, node: str, *options: str) -> str:
        """Starts a task that runs until `let_end`, and by default prints a line every 20 ms."""
        task = self.run(node, *options)
        self.wait_state(task, "running")
        eventually_sync(lambda: self.truth.run(task).starts, message=f"{task} runs")
        return task

    def send_input(self, task: str, text: str) -> None:
        """Sends a line of input. Use each text once per arena, so that a second effect is visible."""
        self.inputs[text] = ""
        with contextlib.suppress(OSError):  # The Leader may be dead: then the outcome is unknown.
            self.inputs[text] = self.cluster.control(task, "input", input=f"{text}\n").get("command", "")

    def pid(self, task: str) -> int:
        return self.truth.run(task).pid

    def line_count(self, task: str) -> int:
        """Lines of the program that the Leader has stored."""
        query = "SELECT count(*) FROM nodes_logline WHERE task_id = ? AND stream < 3"
        return int(self.cluster.rows(query, task)[0][0])

    def wait_more_lines(self, *tasks: str, count: int = 10, timeout: float = 40.0) -> None:
        before = {task: self.line_count(task) for task in tasks}
        for task in tasks:
            eventually_sync(
                lambda task=task: self.line_count(task) >= before[task] + count, timeout, f"more lines of {task}"
            )

    def state(self, task: str) -> str:
        """The state in the database, without asking a process; empty for an unknown task."""
        rows = self.cluster.rows("SELECT state FROM nodes_task WHERE id = ?", task)
        return str(rows[0][0]) if rows else ""

    def wait_state(self, task: str, *states: str, timeout: float = 30.0) -> None:
        eventually_sync(lambda: self.state(task) in states, timeout, f"task {task} {states}")

    def wait_end(self, task: str, timeout: float = 30.0) -> Run:
        eventually_sync(lambda: self.state(task) in _ENDS, timeout, f"end of task {task}")
        return self.truth.run(task)

    def let_end(self, *tasks: str) -> None:
        for task in tasks:
            self.truth.let_end(task)
        for task in tasks:
            self.wait_end(task)

    def node_state(self, node: str) -> str:
        rows = self.cluster.rows("SELECT state FROM nodes_node WHERE id = ?", node)
        return str(rows[0][0]) if rows else ""

    def wait_node(self, node: str, *states: str, timeout: float) -> float:
        """Returns the seconds until the Leader's database had one of these states."""
        since = time.monotonic()
        eventually_sync(lambda: self.node_state(node) in states, timeout, f"{node} {states}")
        return time.monotonic() - since

    # --- processes ----------------------------------------------------------------------------------

    def kill(self, *names: str) -> None:
        """Sends SIGKILL to all of them, then waits until they have exited."""
        for name in names:
            self.cluster.processes[name].signal(signal.SIGKILL)
        for name in names:
            self.cluster.processes[name].wait()

    def restart(self, *names: str) -> None:
        """Starts processes that have exited; returns when the page responds and the nodes are online."""
        for name in sorted(names, key=lambda name: name == "leader"):
            if name != "leader":
                self.cluster.processes[name].start()
        if "leader" in names:
            self.start_leader()
        self.wait_online()

    def wait_online(self, timeout: float = 60.0) -> None:
        for node in self.agents:
            self.wait_node(node, "online", timeout=timeout)

    def resources(self) -> dict[str, Resources]:
        found = {}
        for name, process in self.cluster.processes.items():
            if not process.is_running:
                continue
            measured = psutil.Process(process.pid)
            with measured.oneshot():
                found[name] = Resources(
                    rss_bytes=measured.memory_info().rss,
                    threads=measured.num_threads(),
                    descriptors=measured.num_fds(),
                    zombies=sum(child.status() == psutil.STATUS_ZOMBIE for child in measured.children()),
                )
        return found

    def journal_files(self) -> list[Path]:
        paths = (path for lane in ("states", "logs") for path in self.folder.glob(f"*/{lane}.db"))
        return sorted(path for path in paths if path.parent.name not in self.away)

    # --- the checks ---------------------------------------------------------------------------------

    def settle(self, timeout: float = SETTLE_SECONDS) -> None:
        """Waits until output and states are acked, tasks ended, commands settled and dashboards current."""
        self.wait_online(timeout)
        eventually_sync(lambda: not self._unsettled(), timeout, "nothing is pending")
        self._catch_up(timeout)

    def _catch_up(self, timeout: float = 30.0) -> None:
        store, seq = self.cluster.rows("SELECT store_id, feed_seq FROM nodes_store")[0]
        for dashboard in self.dashboards:
            self.watchers.catch_up(dashboard, store, seq, timeout)

    def _unsettled(self) -> dict[str, Any]:
        positions = read_positions(self.journal_files())
        with reading(self.cluster.database) as db:
            marks = dict(db.execute("SELECT id, seq FROM nodes_journal"))
            behind = {
                journal: (marks.get(journal, 0), last)
                for journal, last in positions.items()
                if marks.get(journal, 0) != last
            }
            tasks = db.execute(f"SELECT id FROM nodes_task WHERE state IN {_OPEN} AND node_id IS NOT NULL").fetchall()
            commands = db.execute(
                "SELECT id FROM nodes_command WHERE state IN ('pending', 'sent', 'acked') AND node NOT IN"
                f" ({','.join('?' * len(self.away))})",
                sorted(self.away),
            ).fetchall()
        # After a full disk, each task's output waits for its next retry. A killed supervisor leaves half a line.
        torn = {f"{task}.{attempt}" for task, attempt in self.lost}
        waiting = read_outputs_left(sorted({path.parent for path in self.journal_files()}))
        output = {name: left for name, left in waiting.items() if name not in torn}
        found = {"marks": behind, "tasks": tasks, "commands": commands, "output": output}
        return {key: value for key, value in found.items() if value}

    def check(self) -> None:
        """Ends every task, then checks every invariant. Raises AssertionError with all violations."""
        self.was_checked = True
        try:
            self._end_tasks()
            self.settle()
        except AssertionError as exc:
            raise AssertionError(f"{exc}; still pending: {self._unsettled()}\n{self._report()}") from None
        violations = self.violations()
        if violations:  # An agent may report again after `settle` has looked; what is lost or doubled stays so.
            self.settle()
            violations = self.violations()
        # Only resources may take a moment to be released; waiting does not fix other violations.
        if violations and all(" has " in violation for violation in violations):
            with contextlib.suppress(AssertionError):
                eventually_sync(lambda: not invariants.resources(self._base, self.resources()), 20)
                violations = []  # Not measured again: a child that has just ended is a zombie until it is reaped.
        assert not violations, "\n".join(["invariants are violated:", *violations[:30]])

    def _end_tasks(self) -> None:
        """Resumes paused tasks and ends every program."""
        for (task_id, attempt), run in self.truth.runs().items():
            if run.is_alive:
                self.truth.let_end(task_id, attempt)
        eventually_sync(lambda: not self._unsettled().get("commands"), SETTLE_SECONDS, "no command is pending")
        for (task,) in self.cluster.rows("SELECT id FROM nodes_task WHERE state = 'paused'"):
            try:
                self.cluster.control(task, "resume")
            except HTTPError as exc:
                # The row was outdated: the task has been resumed or has ended meanwhile.
                if exc.code != HTTPStatus.CONFLICT:
                    raise

    def violations(self) -> list[str]:
        """Violations of a settled arena; reads each file once."""
        database, views = self._consistent_state()
        runs = {key: run for key, run in self.truth.runs().items() if key not in self.in_gap}
        journals = read_journals(self.journal_files())
        online = [name for name, node in database.nodes.items() if node["state"] == "online"]
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        return [
            *invariants.delivery(journals, database, dead_letters=self.expects_dead_letters),
            *invariants.states(database.events),
            *invariants.ends(database.attempts, runs),
            *invariants.output(
                database.lines,
                runs,
                self.lost,
                {key: found.suppressed_lines for key, found in database.attempts.items()},
            ),
            *invariants.effects(database.commands, runs, self.inputs, now=now, online=online),
            *(found for view in views for found in invariants.watched(view, database)),
            *invariants.resources(
                {name: self._base[name] for name in self._base if name not in self.away}, self.resources()
            ),
            *invariants.falls(self.logs()),
        ]

    def _consistent_state(self) -> tuple[Database, list[View]]:
        """The database and the dashboards at the same position, even if the fleet sends something in between."""
        for _ in range(50):
            self._catch_up()
            with reading(self.cluster.database) as db:
                # This first read begins the transaction; reading everything takes longer than the fleet is silent.
                seq = db.execute("SELECT feed_seq FROM nodes_store").fetchone()[0]
                views = [dashboard.view() for dashboard in self.dashboards]
                if all(view.seq == seq for view in views):
                    return read_database(db), views
        raise AssertionError("the dashboards never reach the position of the database")

    def logs(self) -> dict[str, str]:
        return {name: process.log() for name, process in self.cluster.processes.items()}

    def _report(self) -> str:
        """The ends of the logs, to diagnose a failure."""
        return "\n".join(f"--- {name}:\n{text[-1500:]}" for name, text in self.logs().items())


@contextlib.contextmanager
def arena_in(folder: Path) -> Iterator[Arena]:
    """An arena; leaving the block ends its processes and tasks."""
    made = Arena(folder)
    try:
        yield made
    finally:
        made.stop()


def seconds_until(condition: Callable[[], Any], timeout: float, message: str = "") -> float:
    """The seconds until the condition held: a figure to print. The timeout only means "never"."""
    since = time.monotonic()
    eventually_sync(condition, timeout, message)
    return time.monotonic() - since


def integrity_of(path: Path) -> str:
    """The result of SQLite's integrity check."""
    with reading(path) as db:
        return str(db.execute("PRAGMA integrity_check").fetchone()[0])


def log_count(log: str, pattern: str) -> int:
    return len(re.findall(pattern, log))
