"""A wall clock that jumps an hour or runs at a wrong rate: it affects no order, no expiry and no node state."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.faults.arena import Arena
from tests.faults.clocks import JumpingClock
from tests.support.eventually import eventually_sync

HOUR = 3600.0
# Seconds ahead, and seconds a second.
JUMPS = {"an hour ahead": (HOUR, 1.0), "an hour behind": (-HOUR, 1.0), "too fast": (0.0, 1.5), "true again": (0.0, 1.0)}
AGENT_NOW = "SELECT origin_ms / 1000 FROM nodes_event WHERE node_id = 'master-1' ORDER BY id DESC LIMIT 1"
LEADER_NOW = "SELECT unixepoch(received_at) FROM nodes_event ORDER BY id DESC LIMIT 1"


@pytest.mark.parametrize("who", ["leader", "master-1"])
def test_scenario_15_clock_jumps(
    new_arena: Callable[[], Arena], new_clock: Callable[[str], JumpingClock], who: str
) -> None:
    clock = new_clock(who)
    arena = new_arena()
    arena.start_leader(**(clock.env if who == "leader" else {}))
    arena.start_master("master-1", **(clock.env if who == "master-1" else {}))
    arena.start_master("master-2")
    arena.ready()
    tasks = [arena.start_task(node, "--read") for node in ("master-1", "master-2")]
    left_before = departures(arena)

    for name, (seconds, rate) in JUMPS.items():
        clock.jump(seconds, rate)
        off = 20 if rate == 1.0 else 600
        eventually_sync(lambda s=seconds, off=off: abs(clock_of(arena, who) - time.time() - s) < off, 30, name)
        arena.wait_more_lines(*tasks)
        for task in tasks:
            arena.send_input(task, f"{task} {name}")
            arena.cluster.control(task, "pause")
            arena.wait_state(task, "paused")
            arena.cluster.control(task, "resume")
            arena.wait_state(task, "running")
            eventually_sync(lambda task=task, name=name: f"{task} {name}" in arena.truth.run(task).inputs, 20)
        arena.wait_end(arena.run("master-1", "--lines", "3"))
        assert departures(arena) == left_before, f"{name}: a node was considered gone"
        if rate == 1.0:
            # A wrong rate counts from the process's start, so the current error is unknown.
            eventually_sync(
                lambda seconds=seconds: clock_alerts(arena) == wrong_clocks(seconds, who), 60, f"{name}: alerts"
            )
        if abs(seconds) == HOUR:  # Open a stream now: tokens and positions are checked, too.
            arena.kill("master-2")
            arena.restart("master-2")

    assert [len(arena.truth.run(task).starts) for task in tasks] == [1, 1]
    arena.check()


def clock_alerts(arena: Arena) -> set[str]:
    """Nodes with an open clock alert, and the direction of the error."""
    rows = arena.cluster.rows(
        "SELECT node_id, message FROM nodes_alert WHERE kind = 'node-clock' AND resolved_at IS NULL"
    )
    return {f"{node} {'ahead' if 'ahead of' in message else 'behind'}" for node, message in rows}


def wrong_clocks(seconds: float, who: str) -> set[str]:
    """The expected alerts: a Leader that is ahead considers all others behind."""
    if not seconds:
        return set()
    if who == "leader":
        return {f"{node} {'behind' if seconds > 0 else 'ahead'}" for node in ("master-1", "master-2")}
    return {f"{who} {'ahead' if seconds > 0 else 'behind'}"}


def clock_of(arena: Arena, who: str) -> float:
    """The process's clock at its last write."""
    return float(arena.cluster.rows(LEADER_NOW if who == "leader" else AGENT_NOW)[0][0])


def departures(arena: Arena) -> int:
    """How often dashboards got a node state other than online, except for master-2, which really dies."""
    query = (
        "SELECT count(*) FROM nodes_feedentry WHERE text LIKE '%\"NODE_STATUS\"%'"
        ' AND text NOT LIKE \'%"state":"online"%\' AND text NOT LIKE \'%"id":"master-2"%\''
    )
    return int(arena.cluster.rows(query)[0][0])
