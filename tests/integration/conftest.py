"""Fixtures of all integration tests."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Iterator

import pytest

from tests.support.live import DaphneThread


@pytest.fixture(scope="session", autouse=True)
def _certificates_are_read_once() -> Iterator[None]:
    """Otherwise each model client reads all certificate authorities, 25 ms for a plain socket."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="session")
def daphne() -> Iterator[DaphneThread]:
    """A real Daphne for tests of `/ws/`; the test says which application it serves."""
    server = DaphneThread().start()
    yield server
    server.stop()
