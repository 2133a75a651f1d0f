"""Fixtures of all integration tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.live import DaphneThread


@pytest.fixture(autouse=True)
def _static_files_as_they_lie(settings: Any) -> None:
    """Pages render without a built front end; the end-to-end tests use the built one."""
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def _cheap_passwords(settings: Any) -> None:
    """Hashing is slow on purpose; the tests are not about that."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def daphne() -> Iterator[DaphneThread]:
    """A real Daphne for tests of `/ws/`; the test says which application it serves."""
    server = DaphneThread().start()
    yield server
    server.stop()
