"""The test database: migrated once per session, then copied instead of migrated and flushed.

A copy has exactly the rows that the migrations created, so every test starts from the same state.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker

# Side files of an SQLite database in WAL mode.
_SUFFIXES = ("-wal", "-shm")


def is_sqlite() -> bool:
    return str(settings.DATABASES["default"]["ENGINE"]) == "django.db.backends.sqlite3"


def migrated_file(shared: Path) -> Path:
    return shared / "migrated.sqlite3"


def copy_instead_of_migrating(patch: pytest.MonkeyPatch, shared: Path, own: Path) -> None:
    """Makes the test database a file at `own`, a copy of the migrated one in `shared`, and restores it so too.

    `shared` is a folder of all workers of this session: the first of them migrates.
    """
    migrated = migrated_file(shared)
    creation = connection.creation
    migrate = creation.create_test_db
    connection.settings_dict["TEST"]["NAME"] = str(own)

    def create_test_db(*arguments: Any, **named: Any) -> str:
        with _alone(shared / "migrated.lock"):
            if not migrated.exists():
                migrate(*arguments, **named)
                connection.close()  # Folds the write-ahead log into the file.
                _copy(own, migrated)
        restore()
        settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = str(own)
        return str(own)

    def restore() -> None:
        connection.close()
        for suffix in _SUFFIXES:
            Path(f"{own}{suffix}").unlink(missing_ok=True)
        _copy(migrated, own)

    def _fixture_teardown(case: TransactionTestCase) -> None:
        restore()

    patch.setattr(creation, "create_test_db", create_test_db)
    patch.setattr(TransactionTestCase, "_fixture_teardown", _fixture_teardown)


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
