from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nodes.core import sqlite_space
from nodes.core.sqlite_space import prepare_new, rewrite, rewrite_older, shrink_step, shrinks


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db"


def opened(path: Path, *, is_prepared: bool) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    if is_prepared:
        prepare_new(db)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, x BLOB)")
    return db


def filled(db: sqlite3.Connection, rows: int = 1_000) -> None:
    """4 MB, of which all but the last tenth is free again."""
    db.executemany("INSERT INTO t (x) VALUES (zeroblob(4000))", [()] * rows)
    db.execute("DELETE FROM t WHERE id <= ?", (rows * 9 // 10,))


@pytest.fixture
def new(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(opened(path, is_prepared=True)) as db:
        yield db


@pytest.fixture
def old(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(opened(path, is_prepared=False)) as db:
        filled(db)
        yield db


def test_a_new_file_shrinks_in_small_steps(new: sqlite3.Connection, path: Path) -> None:
    filled(new)
    freed = []

    while step := shrink_step(new, kept_bytes=0):
        freed.append(step)

    # A step may also free a page of SQLite's own map of pages.
    assert sqlite_space.STEP_PAGES * 4096 <= max(freed) <= (sqlite_space.STEP_PAGES + 1) * 4096
    assert sum(freed) > 3_000_000
    new.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert path.stat().st_size < 1_200_000
    assert new.execute("SELECT count(*) FROM t").fetchone() == (100,)


def test_some_free_space_stays(new: sqlite3.Connection) -> None:
    filled(new)

    assert shrink_step(new) == 0  # 3.6 MB: new rows soon need it.


def test_opening_again_writes_nothing(new: sqlite3.Connection, path: Path) -> None:
    """Each connection would otherwise wait for the writer."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other:
        new.execute("BEGIN IMMEDIATE")
        prepare_new(other)
        new.execute("ROLLBACK")


def test_an_older_file_is_rewritten_once(old: sqlite3.Connection, path: Path) -> None:
    assert not shrinks(old)
    assert shrink_step(old, kept_bytes=0) == 0

    rewrite_older(old, path)

    assert shrinks(old)
    assert old.execute("SELECT count(*) FROM t").fetchone() == (100,)
    assert old.execute("PRAGMA freelist_count").fetchone() == (0,)


def test_not_without_room_for_a_copy_or_above_the_limit(
    old: sqlite3.Connection, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert rewrite(old, path, limit_bytes=1_000) is None

    def usage(_: Any) -> Any:
        return type("Usage", (), {"free": 100_000})

    monkeypatch.setattr(shutil, "disk_usage", usage)
    rewrite_older(old, path)

    assert not shrinks(old)
    assert "keeps its size" in caplog.text


def test_not_while_another_process_writes(
    old: sqlite3.Connection, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    old.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        rewrite_older(old, path)
        other.execute("ROLLBACK")

    assert not shrinks(old)
    assert "cannot be rewritten now: database is locked" in caplog.text
