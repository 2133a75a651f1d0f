"""Damaged files of an agent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.arena import Arena
from tests.support.eventually import eventually_sync


def flip(path: Path) -> None:
    """Overwrites a part of every page but the first."""
    content = bytearray(path.read_bytes())
    for page in range(4096, len(content), 4096):
        content[page : page + 200] = b"\xff" * 200
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_database(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 500)


@pytest.mark.parametrize("damage", [flip, truncate, no_database])
@pytest.mark.parametrize("lane", ["states", "logs"])
def test_scenario_22_damaged_journal(arena: Arena, lane: str, damage: Callable[[Path], None]) -> None:
    """The file is quarantined, a new journal starts with a gap, and everything still available is resent."""
    task = arena.start_task("master-2", "--lines", "500", "--pause", "0.001", "--keep")
    ended = arena.start_task("master-2", "--exit", "7")
    arena.let_end(ended)
    # A clean stop, so that everything is in the file itself and not in its write-ahead log.
    assert arena.cluster.processes["master-2"].stop() == 0
    path = arena.folder / "master-2" / f"{lane}.db"
    damage(path)

    arena.cluster.processes["master-2"].start()
    eventually_sync(lambda: list(path.parent.glob(f"{lane}.db.corrupt-*")), 60, "it is quarantined")
    arena.wait_online()
    arena.wait_state(task, "running")
    gaps = "SELECT count(*) FROM nodes_event WHERE kind = 'gap' AND node_id = 'master-2' AND detail LIKE '%damaged%'"
    eventually_sync(lambda: arena.cluster.rows(gaps)[0][0], message="the gap is reported")
    arena.let_end(task)
    assert arena.state(ended) == "failed"
    for aside in path.parent.glob("*.corrupt-*"):
        aside.unlink()
    arena.check()
