"""kill -9 of the Leader, of a Master, and of both, again and again under load."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.arena import Arena, integrity_of
from tests.faults.length import short_or_full

RNG = random.Random(3)


def any_moment(longest_seconds: float = 0.3) -> None:
    """The moment of a kill is chance: in the middle of a batch, before a commit, between commit and ack."""
    time.sleep(RNG.uniform(0.0, longest_seconds))


def test_scenario_03_master_killed_under_load(arena: Arena, record_property: pytest.RecordProperty) -> None:
    tasks = [arena.start_task("master-2", "--pause", "0.005") for _ in range(3)]
    pids = [arena.pid(task) for task in tasks]

    for _ in range(short_or_full(5, 50)):
        arena.wait_more_lines(*tasks)
        any_moment()
        arena.kill("master-2")
        assert integrity_of(arena.folder / "master-2" / "states.db") == "ok"
        assert integrity_of(arena.folder / "master-2" / "logs.db") == "ok"
        arena.restart("master-2")

    arena.wait_more_lines(*tasks)
    assert [arena.pid(task) for task in tasks] == pids
    assert [len(arena.truth.run(task).starts) for task in tasks] == [1, 1, 1]
    arena.let_end(*tasks)
    arena.check()
