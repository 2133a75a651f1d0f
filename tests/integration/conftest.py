"""Fixtures of all integration tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.live import DaphneThread


@pytest.fixture(scope="session")
def daphne() -> Iterator[DaphneThread]:
    """A real Daphne for tests of `/ws/`; the test says which application it serves."""
    server = DaphneThread().start()
    yield server
    server.stop()
