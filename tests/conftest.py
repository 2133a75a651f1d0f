"""Fixtures of all tests."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
from django.conf import settings
from django.core.cache import cache
from pytest_django import DjangoDbBlocker

from dashboard.accounts import tokens
from nodes import audit
from nodes.limits import TokenLimits
from nodes.refusals import RefusalRecorder
from tests.support import database, leaks

# The same examples in every run, and no deadline: the machine may be busy.
hypothesis.settings.register_profile(
    "tests", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tests")


_HAS_FAILED = pytest.StashKey[bool]()

# Compiled once: otherwise each process that a test starts first compiles the whole product.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session", autouse=True)
def _settings_of_the_tests() -> Iterator[None]:
    """Settings for this process only; processes that tests start use the real ones."""
    with pytest.MonkeyPatch.context() as patch:
        # Pages render without a built front end, and no client scans its folder.
        files = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
        patch.setattr(settings, "STORAGES", {**settings.STORAGES, "staticfiles": files})
        patch.setattr(settings, "WHITENOISE_AUTOREFRESH", True, raising=False)
        # Real password hashing is slow on purpose.
        patch.setattr(settings, "PASSWORD_HASHERS", ["django.contrib.auth.hashers.MD5PasswordHasher"])
        yield


def _is_watched(request: pytest.FixtureRequest) -> bool:
    return request.path.relative_to(Path(__file__).parent).parts[0] in ("unit", "integration")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[_HAS_FAILED] = True
    return report


@pytest.fixture(autouse=True)
def _leaves_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves something running or open. Set up first, so that it checks last.

    Not for end-to-end and fault tests: they restart processes of clusters that outlive the test.
    """
    if not _is_watched(request):
        yield
        return
    before = leaks.snapshot()
    yield
    if _HAS_FAILED in request.node.stash:
        return  # Its traceback keeps objects alive that the test would have closed.
    if left := leaks.left_since(before):
        pytest.fail("left behind: " + "; ".join(left))


@pytest.fixture(autouse=True)
def _starts_with_fresh_limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wrong passwords and tokens of earlier tests do not count, and no thread stores refusals behind a test's back."""
    monkeypatch.setattr(audit, "recorder", RefusalRecorder(audit.store_refusals, in_background=False))
    monkeypatch.setattr(tokens, "token_limits", TokenLimits())
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def _ends_its_tasks(request: pytest.FixtureRequest, _leaves_nothing_behind: None) -> None:
    if _is_watched(request) and inspect.iscoroutinefunction(request.function):
        request.getfixturevalue("_leaves_no_task")


@pytest.fixture
async def _leaves_no_task() -> AsyncIterator[None]:
    yield
    if left := await leaks.tasks_left():
        pytest.fail("left behind: " + "; ".join(left))


@pytest.fixture(scope="session")
def _shared_by_workers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    return base.parent if hasattr(request.config, "workerinput") else base


@pytest.fixture(scope="session")
def migrated_database(_shared_by_workers: Path) -> database.MigratedDatabase:
    return database.MigratedDatabase(_shared_by_workers)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    migrated_database: database.MigratedDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A database file or server, as in production: several threads cannot share an in-memory database."""
    with pytest.MonkeyPatch.context() as patch:
        migrated_database.create_own(patch, tmp_path_factory.mktemp("database") / "db.sqlite3")
        yield


@pytest.fixture
def leaders_database(
    migrated_database: database.MigratedDatabase, django_db_blocker: DjangoDbBlocker, tmp_path: Path
) -> database.LeaderDatabase:
    """A migrated database for a Leader in a process of its own, with the data folder `tmp_path / "data"`."""
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    with django_db_blocker.unblock():
        return migrated_database.for_leader(data_dir)
