"""The test database: migrated once per session, then copied instead of migrated and flushed.

A copy has exactly the rows that the migrations created, so every test starts from the same state. On SQLite it is
a copy of a file, on PostgreSQL of a template database.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker

# Side files of an SQLite database in WAL mode.
_SUFFIXES = ("-wal", "-shm")


_TEMPLATE = "migrated"


def is_sqlite() -> bool:
    return str(settings.DATABASES["default"]["ENGINE"]) == "django.db.backends.sqlite3"


class MigratedDatabase:
    """The database that all others are copies of; shared by all workers of this session, the first of them migrates."""

    def __init__(self, shared: Path) -> None:
        self._shared = shared
        self._file = shared / "migrated.sqlite3"
        self._migrate = connection.creation.create_test_db

    def create_own(self, patch: pytest.MonkeyPatch, own: Path) -> None:
        """Makes the worker's test database a copy, on SQLite the file `own`, and restores it so too."""

        def create_test_db(*arguments: Any, **named: Any) -> str:
            self.make()
            name = str(own) if is_sqlite() else _name_of_worker()
            self._copy_to(name)
            settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
            return name

        def _fixture_teardown(case: TransactionTestCase) -> None:
            self._copy_to(connection.settings_dict["NAME"])

        patch.setattr(connection.creation, "create_test_db", create_test_db)
        patch.setattr(TransactionTestCase, "_fixture_teardown", _fixture_teardown)

    def make(self) -> None:
        with _alone(self._shared / "migrated.lock"):
            if (self._shared / "migrated").exists():
                return
            name = connection.settings_dict["NAME"]
            connection.settings_dict["TEST"]["NAME"] = str(self._file) if is_sqlite() else _TEMPLATE
            self._migrate(verbosity=0, autoclobber=True)
            connection.close()  # On SQLite it folds the write-ahead log into the file.
            settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
            (self._shared / "migrated").touch()

    def for_leader(self, data_dir: Path) -> LeaderDatabase:
        """A copy for a Leader in a process of its own, so that it has nothing to migrate."""
        self.make()
        found = LeaderDatabase(data_dir)
        self._copy_to(found.name)
        return found

    def _copy_to(self, name: str) -> None:
        connection.close()
        if not is_sqlite():
            copy_postgres(_TEMPLATE, name)
            return
        for suffix in _SUFFIXES:
            Path(f"{name}{suffix}").unlink(missing_ok=True)
        _copy(self._file, Path(name))


class LeaderDatabase:
    """The database of a Leader's process, seen from the test."""

    def __init__(self, data_dir: Path) -> None:
        if is_sqlite():
            self.name = str(data_dir / "db.sqlite3")
            self.url = f"sqlite:///{self.name}"
            self.env: dict[str, str] = {}
        else:
            self.name = "of_" + hashlib.sha256(str(data_dir).encode()).hexdigest()[:20]
            self.url = os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + self.name
            self.env = {"DATABASE_URL": self.url}

    def create_empty(self) -> None:
        """On PostgreSQL; an SQLite file is created by the Leader."""
        if not is_sqlite():
            with connect_postgres() as server:
                server.execute(f"CREATE DATABASE {self.name}".encode())

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """`query` has `?` for each parameter."""
        if is_sqlite():
            with closing(sqlite3.connect(f"file:{self.name}?mode=ro", uri=True)) as store:
                return store.execute(query, parameters).fetchall()
        with connect_postgres(self.name) as server:
            return server.execute(query.replace("?", "%s").encode(), parameters).fetchall()


def wait_shortly(patch: pytest.MonkeyPatch) -> None:
    """New connections of the product wait for a lock only shortly."""
    options = connection.settings_dict["OPTIONS"]
    if is_sqlite():
        patch.setitem(options, "timeout", 0.05)
    else:
        patch.setitem(options, "options", f"{options['options']} -c lock_timeout=50ms")


@contextmanager
def locked() -> Iterator[None]:
    """Another session has a lock on everything."""
    name = connection.settings_dict["NAME"]
    if is_sqlite():
        with closing(sqlite3.connect(name, isolation_level=None)) as blocker:
            blocker.execute("BEGIN EXCLUSIVE")
            yield
        return
    with connect_postgres(name) as session, session.transaction():
        found = session.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        session.execute(f"LOCK TABLE {', '.join(table for (table,) in found)} IN ACCESS EXCLUSIVE MODE".encode())
        yield


# What the database says then.
LOCKED = ("database is locked", "canceling statement due to lock timeout")


def connect_postgres(name: str = "postgres") -> psycopg.Connection[Any]:
    """Another session, in autocommit mode, on the server that the settings name."""
    own = connection.settings_dict
    return psycopg.connect(dbname=name, user=own["USER"], host=own["HOST"], port=own["PORT"] or None, autocommit=True)


def copy_postgres(source: str, target: str) -> None:
    """Replaces `target`, and ends what is still connected to it."""
    with connect_postgres() as server:
        server.execute(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)".encode())
        server.execute(f"CREATE DATABASE {target} TEMPLATE {source} STRATEGY FILE_COPY".encode())


def _name_of_worker() -> str:
    return f"test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"


@contextmanager
def rows_of_many_tests(blocker: DjangoDbBlocker) -> Iterator[None]:
    """For a module fixture: its rows are visible in each test, which rolls back only its own changes."""
    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


def _copy(source: Path, target: Path) -> None:
    """Replaces the file: a connection that a thread still has open keeps using the old one."""
    fresh = target.with_suffix(".fresh")
    shutil.copyfile(source, fresh)
    fresh.replace(target)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
