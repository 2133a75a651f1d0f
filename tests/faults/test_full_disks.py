"""Full disks, and a database locked by another process."""

from __future__ import annotations

import json
import sqlite3
import time
import urllib.error
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.faults.arena import Arena, integrity_of, seconds_until
from tests.faults.disks import SmallDisk
from tests.faults.length import short_or_full
from tests.faults.load import Load
from tests.support.browser import Visitors, Windows
from tests.support.eventually import eventually_sync

Record = Callable[[str, object], None]
LARGE_BYTES = 256 << 20  # nodes/leader/projection/wal_watch.py
NewDisk = Callable[[str, int], SmallDisk]


def refusal(arena: Arena) -> dict[str, Any]:
    """The error that a request for a new task gets now."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        arena.run("master-1", "--lines", "1")
    assert caught.value.code == 503
    return dict(json.loads(caught.value.read())["error"])


def store_states(arena: Arena) -> list[str]:
    return arena.dashboards[0].view().store_states


def test_scenario_18_full_disk_on_the_leader(
    new_arena: Callable[[], Arena], new_disk: NewDisk, browser: Windows, record_property: Record
) -> None:
    disk = new_disk("arena-0/leader", 48)
    arena = new_arena().start(masters=2, edge=False)
    task = arena.start_task("master-1", "--pause", "0.01")
    with browser.in_use():
        visitors = Visitors(browser, arena.cluster)
        fill_and_free(arena, disk, task, visitors, record_property)
        visitors.leave()
    arena.check()


def fill_and_free(arena: Arena, disk: SmallDisk, task: str, visitors: Visitors, record_property: Record) -> None:
    page = visitors.open_live("/", expected=("503",))

    disk.fill()
    eventually_sync(lambda: store_states(arena) == ["failing"], 30, "dashboards show it")
    banner = page.locator("#store-banner")
    expect(banner).to_be_visible()
    marks = arena.cluster.rows("SELECT id, seq FROM nodes_journal ORDER BY id")
    error = refusal(arena)
    assert error["code"] in ("unavailable", "store-unavailable")
    # Reading and the task continue; nothing is acknowledged before it is stored.
    printed = arena.truth.run(task).last_line
    eventually_sync(lambda: arena.truth.run(task).last_line > printed + 100, message="the task continues")
    assert arena.cluster.task(task)["state"] == "running"
    assert arena.cluster.rows("SELECT id, seq FROM nodes_journal ORDER BY id") == marks

    disk.free()
    record_property("stored again after", f"{seconds_until(lambda: store_states(arena)[-1] == 'ok', 30):.1f} s")
    expect(banner).to_be_hidden()
    arena.wait_more_lines(task)
    assert integrity_of(arena.cluster.database) == "ok"


def test_scenario_19_full_disk_on_a_master(
    new_arena: Callable[[], Arena], new_disk: NewDisk, record_property: Record
) -> None:
    disk = new_disk("arena-0/master-1", 64)
    arena = new_arena().start(masters=2, edge=False)
    task, ends = arena.start_task("master-1", "--pause", "0.001"), arena.start_task("master-1", "--exit", "7")

    disk.fill()
    printed = arena.truth.run(task).last_line
    eventually_sync(lambda: arena.truth.run(task).last_line > printed + 500, 60, "the task continues")
    # An end now uses the reserve: it is reported although nothing else can be written.
    arena.truth.let_end(ends)
    arena.wait_state(ends, "failed", timeout=40)

    disk.free()
    arena.wait_more_lines(task, timeout=60)
    arena.let_end(task)
    suppressed = arena.cluster.task(task)["suppressedLines"]
    record_property("lines counted as lost", f"{suppressed} of {arena.truth.run(task).last_line}")
    assert suppressed > 0
    arena.check()


def test_scenario_20_another_process_locks_the_database(arena: Arena, record_property: Record) -> None:
    tasks = [arena.start_task(node, "--pause", "0.05", "--burst", "10") for node in arena.agents]
    told = len(store_states(arena))
    blocker = sqlite3.connect(arena.cluster.database, isolation_level=None, timeout=10)

    blocker.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    eventually_sync(lambda: store_states(arena)[told:] == ["failing"], 30, "dashboards show it")
    error = refusal(arena)
    assert error["code"] in ("unavailable", "store-unavailable")
    assert "locked" not in error["message"]
    assert arena.cluster.task(tasks[0])["state"] == "running"  # Reading still works.
    eventually_sync(lambda: time.monotonic() - began > short_or_full(7.0, 30.0), 60)
    blocker.execute("ROLLBACK")
    blocker.close()

    record_property("stored again after", f"{seconds_until(lambda: store_states(arena)[-1] == 'ok', 30):.1f} s")
    arena.wait_more_lines(*tasks)
    arena.check()


def wal_alerts(arena: Arena) -> int:
    query = "SELECT count(*) FROM nodes_alert WHERE kind = 'wal-large' AND resolved_at IS NULL"
    return int(arena.cluster.rows(query)[0][0])


def test_scenario_21_read_transaction_that_never_ends(arena: Arena, record_property: Record) -> None:
    """SQLite's write-ahead log grows meanwhile; nothing else does. (The alert: test_projection_upkeep.py.)"""
    tasks = [arena.start_task(node, "--pause", "0.05", "--burst", "25") for node in arena.agents]
    log = arena.cluster.database.with_name("db.sqlite3-wal")
    reader = sqlite3.connect(arena.cluster.database, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM nodes_logline").fetchone()

    with Load(arena):
        arena.wait_more_lines(*tasks, count=short_or_full(1_000, 100_000), timeout=short_or_full(60, 600))
        record_property("write-ahead log", f"{log.stat().st_size >> 10} KiB")
        # Only a person can end another program's read transaction: an alert is open until then.
        is_large = log.stat().st_size > LARGE_BYTES
        if is_large:
            eventually_sync(lambda: wal_alerts(arena) == 1, 60, "an alert is open")
        reader.close()
        arena.wait_more_lines(*tasks, count=200)
    if is_large:
        eventually_sync(lambda: log.stat().st_size < LARGE_BYTES and not wal_alerts(arena), 90, "it shrinks again")

    arena.check()
