"""The complete path through real processes: REST API → Leader → Master or Edge → shim, and back."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.programs import BUSY_TREE, COUNTER, PROMPT, count_to, cpu_ticks, numbers, tree_of
from tests.support.cluster import Cluster, cluster
from tests.support.eventually import eventually_sync
from tests.support.processes import manage

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# nodes/stream/journal/file.py: an entry's key is record << 44 | seq.
ENTRIES = "SELECT journal_id, key & ((1 << 44) - 1) FROM entries JOIN shelves ON shelves.id = key >> 44"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Its own cluster: the tests delete its database and stop it."""
    with cluster(tmp_path_factory.mktemp("fleet")) as made:
        made.start_all()
        yield made


@pytest.mark.parametrize("node", ["master-1", "edge-1"])
def test_task_runs_and_its_output_and_end_arrive(fleet: Cluster, node: str) -> None:
    task = fleet.run(node, "python3", "-c", count_to(30))

    ended = fleet.wait_task(task, "failed")

    assert (ended["exitCode"], ended["node"]) == (7, node)
    assert numbers(eventually_sync(lambda: len(found := fleet.log_lines(task)) == 30 and found)) == [*range(1, 31)]


def test_named_task_reports_progress(fleet: Cluster) -> None:
    task = fleet.api("POST", "tasks/", {"node": "master-1", "project": "demo", "namedTask": "test"})["id"]

    assert eventually_sync(lambda: (fleet.task(task)["progress"] or 0) > 0.1)
    assert fleet.wait_task(task, "failed")["exitCode"] == 1


@pytest.mark.parametrize("node", ["master-2", "edge-1"])
def test_pause_stops_the_whole_tree_and_resume_continues(fleet: Cluster, node: str) -> None:
    task = fleet.run(node, "python3", "-c", BUSY_TREE)
    tree = tree_of(fleet, task)

    fleet.control(task, "pause")
    paused = fleet.wait_task(task, "paused")
    before = [cpu_ticks(pid) for pid in tree]
    # Only a real wait shows that nothing runs. A running process would use 20 ticks in it.
    with contextlib.suppress(AssertionError):
        eventually_sync(lambda: [cpu_ticks(pid) for pid in tree] != before, timeout=0.2)
    assert paused["partialPause"] or [cpu_ticks(pid) for pid in tree] == before

    fleet.control(task, "resume")
    fleet.wait_task(task, "running")
    assert eventually_sync(lambda: all(cpu_ticks(pid) > old for pid, old in zip(tree, before, strict=True)))

    fleet.control(task, "cancel")
    fleet.wait_task(task, "cancelled")
    assert eventually_sync(lambda: not any(Path(f"/proc/{pid}").exists() for pid in tree))


def test_prompt_is_shown_and_answered(fleet: Cluster) -> None:
    task = fleet.run("master-1", "python3", "-c", PROMPT)
    eventually_sync(lambda: "Your name? " in "".join(fleet.log_lines(task)), message="the prompt without a newline")

    fleet.control(task, "input", input="Ada\n")

    assert fleet.wait_task(task, "succeeded")["exitCode"] == 0
    assert eventually_sync(lambda: any("hello Ada" in line for line in fleet.log_lines(task)))


def test_control_of_a_finished_task_is_refused(fleet: Cluster) -> None:
    task = fleet.run("master-2", "true")
    fleet.wait_task(task, "succeeded")

    with pytest.raises(OSError, match="409") as refused:
        fleet.control(task, "pause")
    assert b"finished" in refused.value.read()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("argv", "more", "why"),
    [
        (["no-such-program"], {}, "command not found: …"),
        (["true"], {"workingDirectory": "/no/such/folder"}, "working folder does not exist: …"),
    ],
)
def test_task_that_cannot_start_says_why(fleet: Cluster, argv: list[str], more: dict[str, str], why: str) -> None:
    task = fleet.run("master-1", *argv, **more)

    ended = fleet.wait_task(task, "failed")

    # Everyone reads the message. The command itself is for people who may run commands.
    assert ended["message"] == why
    resolved = ended["attempts"][0]["resolved"]
    assert resolved["argv"] == argv
    assert resolved["workingDirectory"] == more.get("workingDirectory", resolved["workingDirectory"])


def test_leader_killed_while_a_task_runs_loses_nothing(fleet: Cluster) -> None:
    task = fleet.run("master-1", "python3", "-c", count_to(300))
    eventually_sync(lambda: len(fleet.log_lines(task)) > 20)

    fleet.processes["leader"].kill()
    fleet.start_leader()

    assert fleet.wait_task(task, "failed", timeout=40)["exitCode"] == 7
    eventually_sync(lambda: len(fleet.log_lines(task)) >= 300)
    assert numbers(fleet.log_lines(task)) == [*range(1, 301)]


@pytest.mark.parametrize("node", ["master-1", "edge-1"])
def test_agent_killed_while_a_task_runs_finds_it_again(fleet: Cluster, node: str) -> None:
    task = fleet.run(node, "python3", "-c", COUNTER)
    eventually_sync(lambda: len(fleet.log_lines(task)) > 20)
    pid = fleet.rows("SELECT pid FROM nodes_attempt WHERE task_id = ?", task)[0][0]

    fleet.processes[node].kill()
    before = len(fleet.log_lines(task))
    fleet.processes[node].start()
    fleet.wait_online(node)
    eventually_sync(lambda: len(fleet.log_lines(task)) > before + 100, timeout=30)

    os.kill(pid, 0)
    assert fleet.task(task)["state"] == "running"
    assert fleet.rows("SELECT pid FROM nodes_attempt WHERE task_id = ?", task) == [(pid,)]
    fleet.control(task, "cancel")
    fleet.wait_task(task, "cancelled")
    stored = eventually_sync(lambda: numbers(fleet.log_lines(task)))
    assert stored == [*range(1, len(stored) + 1)]


def test_end_without_an_agent_is_reported_after_its_restart(fleet: Cluster) -> None:
    task = fleet.run("master-2", "python3", "-c", count_to(60))
    eventually_sync(lambda: len(fleet.log_lines(task)) > 5)
    pid = fleet.rows("SELECT pid FROM nodes_attempt WHERE task_id = ?", task)[0][0]

    fleet.processes["master-2"].kill()
    eventually_sync(lambda: not Path(f"/proc/{pid}").exists(), message="the task ends by itself")
    fleet.processes["master-2"].start()

    assert fleet.wait_task(task, "failed", timeout=40)["exitCode"] == 7
    eventually_sync(lambda: len(fleet.log_lines(task)) >= 60)
    assert numbers(fleet.log_lines(task)) == [*range(1, 61)]


def test_revoked_token_ends_the_stream(fleet: Cluster) -> None:
    fleet.start_agent("master", "master-3")
    fleet.wait_online("master-3")

    manage("token", "revoke", "--name", "master-3", env=fleet.env)

    fleet.processes["master-3"].wait_for_log("revoked", timeout=12)


def test_deleted_database_is_refilled(fleet: Cluster) -> None:
    task = fleet.run("master-1", "python3", "-c", COUNTER)
    eventually_sync(lambda: len(fleet.log_lines(task)) > 20)

    fleet.processes["leader"].kill()
    for path in fleet.data_dir.glob("db.sqlite3*"):
        path.unlink()
    fleet.forget_people()
    fleet.start_leader()
    fleet.wait_online("master-1", "master-2", "edge-1", timeout=60)

    assert fleet.wait_task(task, "running")["node"] == "master-1"
    eventually_sync(lambda: len(fleet.log_lines(task)) > 40, message="history is replayed")
    stored = numbers(fleet.log_lines(task))
    assert stored == [*range(1, len(stored) + 1)]
    fleet.control(task, "cancel")
    fleet.wait_task(task, "cancelled")


def test_journal_and_database_agree(fleet: Cluster) -> None:
    """Checked from outside: every journaled entry is in the database exactly once."""

    def missing() -> set[tuple[str, int]]:
        journaled: set[tuple[str, int]] = set()
        for path in fleet.folder.glob("*/states.db"):
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as journal:
                journaled |= set(journal.execute(ENTRIES))
        return journaled - set(fleet.rows("SELECT journal_id, seq FROM nodes_event"))

    eventually_sync(lambda: not missing())
    assert fleet.rows("SELECT journal_id, seq, count(*) FROM nodes_event GROUP BY 1, 2 HAVING count(*) > 1") == []


def test_log_contains_no_traceback(fleet: Cluster) -> None:
    for process in fleet.processes.values():
        assert "Traceback" not in process.log(), f"{process.name}:\n{process.log()[-6000:]}"


def test_stop_is_quick_and_clean(fleet: Cluster) -> None:
    for name in ("edge-1", "master-1", "master-2", "leader"):
        process = fleet.processes[name]
        if process.is_running:
            process.signal(signal.SIGTERM)
            assert process.wait(15) == 0, process.log()[-3000:]
