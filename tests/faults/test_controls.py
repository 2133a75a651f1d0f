"""Controls at the worst moment: for an offline node, twice at once, for tasks that ignore signals."""

from __future__ import annotations

import threading
import time

from tests.faults.arena import Arena
from tests.support.eventually import eventually_sync

# The limit in nodes/leader/scheduler/requests.py, plus time for a busy machine.
TTL_SECONDS = 60.0


def test_scenario_34_command_to_an_offline_node(arena: Arena) -> None:
    """It waits, expires in time, and never runs afterwards; the dashboard shows that."""
    task = arena.start_task("master-2", "--read")
    arena.kill("master-2")
    arena.wait_node("master-2", "suspect", "offline", timeout=40)

    command = arena.cluster.control(task, "pause")["command"]
    arena.send_input(task, "too late")
    states = "SELECT state FROM nodes_command WHERE id = ?"
    assert arena.cluster.rows(states, command) == [("pending",)]
    eventually_sync(lambda: arena.cluster.rows(states, command) == [("expired",)], TTL_SECONDS + 30, "it expires")
    shown = arena.dashboards[0]
    eventually_sync(
        lambda: shown.view().commands[command]["state"] == "expired", message="the dashboard shows it as expired"
    )

    arena.restart("master-2")
    arena.wait_more_lines(task)
    assert arena.state(task) == "running"
    assert arena.truth.run(task).inputs == []
    arena.check()


def test_scenario_36_cancel_in_every_state(arena: Arena) -> None:
    """During the start, twice at once, and while paused: one end, and no process is left."""
    early = [arena.run(node, "--children") for node in arena.agents]
    for task in early:
        arena.cluster.control(task, "cancel")
    twice = arena.start_task("master-1", "--children")
    threads = [threading.Thread(target=_cancel, args=(arena, twice)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    paused = arena.start_task("edge-1", "--children")
    arena.cluster.control(paused, "pause")
    arena.wait_state(paused, "paused")
    arena.cluster.control(paused, "cancel")

    for task in (*early, twice, paused):
        arena.wait_state(task, "cancelled", timeout=40)
    for run in arena.truth.runs().values():
        if run.task_id in (*early, twice, paused):
            assert not run.is_alive
            assert not [pid for pid in run.children if _exists(pid)]
    arena.check()


def _cancel(arena: Arena, task: str) -> None:
    try:
        arena.cluster.control(task, "cancel")
    except OSError:
        pass  # The other cancel was first, and the task has ended.


def test_scenario_37_pause_stops_the_whole_tree(arena: Arena) -> None:
    """Children detached with setsid and a double fork stop too; the time does not count."""
    task = arena.start_task("master-1", "--children", "--pause", "0.01")
    run = arena.truth.run(task)
    processes = [run.pid, *run.children]

    arena.cluster.control(task, "pause")
    arena.wait_state(task, "paused")
    assert not arena.cluster.task(task)["partialPause"]
    ticks = [_cpu_ticks(pid) for pid in processes]
    printed = arena.truth.run(task).last_line
    # Only a real wait shows that nothing runs.
    time.sleep(1.0)
    assert [_cpu_ticks(pid) for pid in processes] == ticks
    assert arena.truth.run(task).last_line == printed

    arena.cluster.control(task, "resume")
    arena.wait_state(task, "running")
    eventually_sync(lambda: arena.truth.run(task).last_line > printed, message="it goes on")
    arena.let_end(task)
    ((paused_seconds,),) = arena.cluster.rows("SELECT paused_seconds FROM nodes_attempt WHERE task_id = ?", task)
    assert paused_seconds >= 1.0
    arena.check()


def test_scenario_39_tasks_that_resist_ending(arena: Arena) -> None:
    """One ignores SIGTERM, one closes its output, one leaves a daemon. (Unkillable: test_runner_unkillable.py.)"""
    stubborn = arena.start_task("master-1", "--ignore-term", "--children")
    arena.cluster.control(stubborn, "cancel")
    closes = arena.cluster.run("master-1", "sh", "-c", "exec 1>&- 2>&-; sleep 1; exit 5")
    leaves = arena.cluster.run("edge-1", "sh", "-c", "setsid sleep 100000 & echo $!")

    arena.wait_state(closes, "failed")
    assert arena.cluster.task(closes)["exitCode"] == 5
    arena.wait_state(leaves, "succeeded", timeout=40)
    assert not _exists(int(arena.cluster.log_lines(leaves)[0]))
    arena.wait_state(stubborn, "cancelled", timeout=60)
    assert "killed" in arena.cluster.task(stubborn)["message"]
    assert not arena.truth.run(stubborn).is_alive
    arena.check()


def _cpu_ticks(pid: int) -> tuple[str, str]:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return fields[11], fields[12]


def _exists(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
