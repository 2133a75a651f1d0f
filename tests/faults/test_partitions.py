"""A network that silently drops everything, and a process that is stopped."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from tests.faults.arena import Arena, seconds_until
from tests.faults.length import IS_FULL, short_or_full
from tests.faults.network import Link
from tests.support.eventually import eventually_sync

# Heartbeat 5 s: a silent peer is detected after 15 s; the rest is for a busy machine.
NOTICED_SECONDS = 40.0


@pytest.fixture
def split_arena(new_arena: Callable[[], Arena], link: Link) -> Arena:
    """An arena with master-1 at the far end of a link, master-2 next to the Leader."""
    arena = new_arena()
    arena.cluster.grpc_host = link.leader_address
    arena.start_leader("--insecure")
    arena.start_master("master-1", "--insecure", prefix=link.prefix)
    arena.start_master("master-2", "--insecure")
    arena.ready()
    return arena


def endings(arena: Arena, node: str) -> int:
    """How often the agent has logged that its stream ended."""
    return arena.cluster.processes[node].log().count("no stream to ")


@pytest.mark.parametrize("loses", ["both", "to_agent", "to_leader"])
def test_scenarios_08_and_09_link_drops_everything(
    split_arena: Arena, link: Link, loses: str, record_property: Callable[[str, object], None]
) -> None:
    arena = split_arena
    task, other = arena.start_task("master-1"), arena.start_task("master-2")
    before = endings(arena, "master-1")

    {"both": link.black_hole, "to_agent": link.lose_to_agent, "to_leader": link.lose_to_leader}[loses]()
    noticed = arena.wait_node("master-1", "suspect", "offline", timeout=NOTICED_SECONDS)
    record_property("Leader knew after", f"{noticed:.1f} s")
    more = seconds_until(lambda: endings(arena, "master-1") > before, NOTICED_SECONDS, "the agent detects it, too")
    record_property("agent knew after", f"{noticed + more:.1f} s")
    assert arena.state(task) == "running"
    assert arena.cluster.task(task)["unknownSince"] is not None
    arena.wait_more_lines(other, count=short_or_full(50, 1500), timeout=60)
    assert arena.truth.run(task).is_alive

    link.heal()
    arena.wait_online()
    arena.wait_more_lines(task)
    assert arena.cluster.task(task)["unknownSince"] is None
    arena.check()


def test_scenario_10_stopped_master(arena: Arena, record_property: Callable[[str, object], None]) -> None:
    """SIGSTOP, SIGCONT. Requests from the meantime take effect once, after it continues."""
    task = arena.start_task("master-2", "--read", "--pause", "0.1")
    other = arena.start_task("master-1")
    run = arena.truth.run(task)

    arena.cluster.processes["master-2"].signal(signal.SIGSTOP)
    noticed = arena.wait_node("master-2", "suspect", "offline", timeout=NOTICED_SECONDS)
    record_property("Leader knew after", f"{noticed:.1f} s")
    asked = "while it was stopped"
    arena.send_input(task, asked)
    waiting = arena.run("master-2", "--lines", "3")
    assert arena.state(task) == "running"
    assert arena.cluster.task(task)["unknownSince"] is not None
    if IS_FULL:
        arena.wait_node("master-2", "offline", timeout=60)
        arena.wait_more_lines(other, count=3000, timeout=120)  # Output of a minute.
    assert arena.truth.run(waiting).starts == []

    arena.cluster.processes["master-2"].signal(signal.SIGCONT)
    arena.wait_online()
    arena.wait_end(waiting, timeout=60)
    if IS_FULL:  # It was stopped for longer than a control's time to live.
        eventually_sync(lambda: command_state(arena, asked) == "expired", 30, "the input has expired")
    else:
        eventually_sync(lambda: arena.truth.run(task).inputs == [asked], 30, "the input comes")
    assert arena.truth.run(task).starts == run.starts
    assert arena.cluster.task(task)["unknownSince"] is None
    arena.check()


def command_state(arena: Arena, text: str) -> str:
    return str(arena.cluster.rows("SELECT state FROM nodes_command WHERE id = ?", arena.inputs[text])[0][0])


def test_scenario_08_idle_link_drops_everything(
    split_arena: Arena, link: Link, record_property: Callable[[str, object], None]
) -> None:
    """No data is in flight: only the heartbeat can detect it."""
    arena = split_arena

    link.black_hole()
    noticed = arena.wait_node("master-1", "suspect", "offline", timeout=NOTICED_SECONDS)
    record_property("Leader knew after", f"{noticed:.1f} s")

    link.heal()
    arena.wait_online()
    arena.check()
