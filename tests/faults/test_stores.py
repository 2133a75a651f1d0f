"""The Leader restarts with another database: an empty one or a backup; or agents have trimmed their journals."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from tests.faults.arena import Arena, seconds_until
from tests.faults.evidence import read_database, read_positions, reading
from tests.support.eventually import eventually_sync

Record = Callable[[str, object], None]


def remove_database(arena: Arena) -> None:
    for path in arena.cluster.data_dir.glob("db.sqlite3*"):
        path.unlink()
    arena.cluster.forget_people()


def back_up(arena: Arena, target: Path) -> None:
    """Copies the live database with SQLite's backup API."""
    with (
        contextlib.closing(sqlite3.connect(f"file:{arena.cluster.database}?mode=ro", uri=True)) as source,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)


def restore(arena: Arena, backup: Path) -> None:
    arena.kill("leader")
    for path in arena.cluster.data_dir.glob("db.sqlite3*"):
        path.unlink()
    backup.rename(arena.cluster.database)
    arena.restart("leader")


def history_is_filled(arena: Arena) -> bool:
    """Whether the marks have reached the ends that the journals had a moment ago."""
    positions = read_positions(arena.journal_files())
    with reading(arena.cluster.database) as db:
        marks = read_database(db).marks
    return all(marks.get(journal, 0) >= seq for journal, seq in positions.items())


def test_scenario_06_empty_database(arena: Arena, record_property: Record) -> None:
    tasks = [arena.start_task(node) for node in arena.agents]
    ended = arena.start_task("master-1", "--exit", "7")
    arena.let_end(ended)
    store = arena.dashboards[0].store

    arena.kill("leader")
    remove_database(arena)
    since_online = seconds_until(lambda: arena.restart("leader") or True, 120)
    record_property("nodes online after", f"{since_online:.1f} s")
    took = seconds_until(lambda: all(arena.state(task) == "running" for task in tasks), 60, "current states")
    record_property("states current after another", f"{took:.1f} s")
    took = seconds_until(lambda: history_is_filled(arena), 60, "history within the window")
    record_property("history whole after another", f"{took:.1f} s")

    arena.wait_state(ended, "failed")
    arena.wait_more_lines(*tasks)
    arena.check()
    assert arena.dashboards[0].store != store


def test_scenario_06_what_was_trimmed_is_a_gap(new_arena: Callable[[], Arena]) -> None:
    """Entries older than the journal keeps cannot be refilled: they are a gap."""
    arena = new_arena().start(masters=1, edge=False)
    task = arena.start_task("master-1", "--lines", "100", "--keep")
    arena.wait_more_lines(task, count=0)
    arena.let_end(task)
    arena.settle()
    arena.in_gap = set(arena.truth.runs())
    before = read_positions(arena.journal_files())

    arena.kill("leader", "master-1")
    for path in arena.journal_files():
        trim_all(path)
    remove_database(arena)
    arena.restart("leader", "master-1")

    later = arena.start_task("master-1")
    arena.wait_more_lines(later)
    eventually_sync(lambda: history_is_filled(arena), 30)
    with reading(arena.cluster.database) as db:
        events = read_database(db).events
    gaps = {
        event.journal_id: (event.detail["from_seq"], event.detail["to_seq"]) for event in events if event.kind == "gap"
    }
    assert gaps == {journal: (1, seq) for journal, seq in before.items()}
    arena.check()


def trim_all(path: Path) -> None:
    """Trims like the agent does with entries that were acknowledged a day ago."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN")
        db.execute("DELETE FROM entries")
        db.execute("UPDATE shelves SET size_bytes = 0")
        db.execute("COMMIT")


def test_scenario_07_yesterdays_backup(arena: Arena, tmp_path: Path, record_property: Record) -> None:
    task = arena.start_task("master-2")
    arena.wait_more_lines(task)
    back_up(arena, tmp_path / "backup.sqlite3")
    tasks = [arena.start_task(node) for node in arena.agents]
    arena.let_end(task)
    arena.wait_more_lines(*tasks)

    restore(arena, tmp_path / "backup.sqlite3")
    took = seconds_until(lambda: history_is_filled(arena), 60, "history within the window")
    record_property("history whole after", f"{took:.1f} s")

    arena.wait_state(task, "succeeded")
    arena.wait_more_lines(*tasks)
    arena.check()


def test_scenario_07_todays_backup_is_another_store(arena: Arena, tmp_path: Path) -> None:
    """Its feed reuses numbers: no dashboard may continue from its old position."""
    back_up(arena, tmp_path / "backup.sqlite3")
    store = arena.dashboards[0].store
    arena.wait_end(arena.run("master-1", "--lines", "3"))

    restore(arena, tmp_path / "backup.sqlite3")

    arena.check()
    assert arena.dashboards[0].store != store
