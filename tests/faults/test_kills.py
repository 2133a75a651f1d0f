"""kill -9 of the Leader, of a Master, and of both, again and again under load."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from playwright.sync_api import expect

from tests.e2e.programs import numbers
from tests.faults.arena import Arena, integrity_of, seconds_until
from tests.faults.length import short_or_full
from tests.faults.load import Load
from tests.support.browser import Visitors
from tests.support.eventually import eventually_sync
from tests.support.pages import expect_never_reloaded, line_count, log_texts, pill_of

RNG = random.Random(3)
# Logged by the browser while the server is down; errors of the page itself still fail the test.
NO_LEADER = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")

Record = Callable[[str, object], None]
# 200 lines a second like a busy task: several at a time, which leaves the CPU to the processes under test.
BUSY = ("--pause", "0.05", "--burst", "10")


def any_moment(longest_seconds: float = 0.3) -> None:
    """Waits for a random moment: within a batch, before a commit, between commit and ack."""
    time.sleep(RNG.uniform(0.0, longest_seconds))


def journals_are_whole(arena: Arena, *nodes: str) -> bool:
    return all(
        integrity_of(arena.folder / node / f"{lane}.db") == "ok" for node in nodes for lane in ("states", "logs")
    )


def test_scenario_01_leader_killed_mid_batch(arena: Arena, record_property: Record) -> None:
    tasks = [arena.start_task(node, *BUSY) for node in arena.agents]
    pids = [arena.pid(task) for task in tasks]
    away = []

    with Load(arena):
        for _ in range(short_or_full(4, 100)):
            arena.wait_more_lines(*tasks)
            any_moment()
            arena.kill("leader")
            assert integrity_of(arena.cluster.database) == "ok"
            away.append(seconds_until(lambda: arena.restart("leader") or True, 120))

    record_property("kills", len(away))
    record_property("page and nodes back after, longest", f"{max(away):.1f} s")
    arena.wait_more_lines(*tasks)
    assert [arena.pid(task) for task in tasks] == pids
    arena.check()


def test_scenario_02_leader_killed_during_fan_out(arena: Arena, visitors: Visitors, record_property: Record) -> None:
    for _ in range(9):
        arena.watch()
    task = arena.start_task("master-1", "--pause", "0.01")
    page = visitors.open_live(f"/tasks/{task}/", expected=NO_LEADER)
    resumed = 0

    for _ in range(short_or_full(2, 10)):
        eventually_sync(lambda seen=resumed: line_count(page) > seen + 20, message="its output flows")
        before = [dashboard.connections for dashboard in arena.dashboards]
        any_moment()
        arena.kill("leader")
        arena.restart("leader")
        eventually_sync(
            lambda before=before: all(
                dashboard.connections > count and dashboard.is_live
                for dashboard, count in zip(arena.dashboards, before, strict=True)
            ),
            30,
            "every dashboard is back",
        )
        expect(pill_of(page)).to_have_attribute("data-state", "live")
        resumed = line_count(page)

    arena.let_end(task)
    printed = arena.truth.run(task).last_line
    eventually_sync(lambda: line_count(page) >= printed, 30, "its last line")
    assert numbers(log_texts(page)) == [*range(1, printed + 1)]
    expect_never_reloaded(page)
    record_property("dashboards, and snapshots they needed", [d.view().snapshots for d in arena.dashboards])
    arena.check()


def test_scenario_03_master_killed_under_load(arena: Arena, record_property: Record) -> None:
    tasks = [arena.start_task("master-2", *BUSY) for _ in range(3)]
    pids = [arena.pid(task) for task in tasks]
    kills = short_or_full(5, 50)

    with Load(arena, ["master-2"]):
        for _ in range(kills):
            arena.wait_more_lines(*tasks)
            any_moment()
            arena.kill("master-2")
            assert journals_are_whole(arena, "master-2")
            arena.restart("master-2")

    record_property("kills", kills)
    arena.wait_more_lines(*tasks)
    assert [arena.pid(task) for task in tasks] == pids
    arena.check()


def test_scenario_04_master_and_leader_killed_together(arena: Arena) -> None:
    tasks = [arena.start_task(node, *BUSY) for node in ("master-1", "edge-1")]
    ended = arena.start_task("master-1", "--exit", "7")
    pids = [arena.pid(task) for task in tasks]

    with Load(arena):
        for number in range(short_or_full(2, 20)):
            arena.wait_more_lines(*tasks)
            any_moment()
            arena.kill("leader", "master-1")
            if number == 0:  # A task ends while no agent runs.
                arena.truth.let_end(ended)
                eventually_sync(lambda: not arena.truth.run(ended).is_alive)
            assert journals_are_whole(arena, "master-1")
            arena.restart("master-1", "leader")

    arena.wait_state(ended, "failed")
    assert [arena.pid(task) for task in tasks] == pids
    arena.check()


def test_scenario_44_rolling_restart_under_load(arena: Arena, record_property: Record) -> None:
    """SIGTERM one after the other; each exits within ten seconds, with exit code 0."""
    tasks = [arena.start_task(node, *BUSY) for node in arena.agents]
    pids = [arena.pid(task) for task in tasks]
    stops: dict[str, float] = {}

    with Load(arena):
        for _ in range(short_or_full(1, 5)):
            for name in ("edge-1", "master-1", "master-2", "leader"):
                arena.wait_more_lines(*tasks)
                began = time.monotonic()
                assert arena.cluster.processes[name].stop(timeout=10) == 0
                stops[name] = max(stops.get(name, 0.0), time.monotonic() - began)
                arena.restart(name)

    record_property("exit after, longest", {name: f"{seconds:.1f} s" for name, seconds in stops.items()})
    arena.wait_more_lines(*tasks)
    assert [arena.pid(task) for task in tasks] == pids
    arena.check()
