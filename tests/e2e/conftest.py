"""One cluster of real processes and one browser per worker. Tests share them and leave no task running.

A module that does irreversible damage, or needs other settings, defines its own `fleet`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import Visitors, Windows, windows
from tests.support.cluster import Cluster, cluster
from tests.support.first_site import share_first_site
from tests.support.messages_api import MessagesApi, Step

pytestmark = pytest.mark.e2e

# The projects of all test modules, offered by the nodes of the shared cluster.
PROJECTS = Path(__file__).with_name("quick.toml")


@pytest.fixture(scope="session", autouse=True)
def _first_site(tmp_path_factory: pytest.TempPathFactory) -> None:
    share_first_site(tmp_path_factory.getbasetemp().parent)


# Package scope: running processes cost CPU, and other tests do not need them.
@pytest.fixture(scope="package")
def shared_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("fleet")) as made:
        made.start_all(PROJECTS)
        yield made


@pytest.fixture(scope="module")
def fleet(shared_fleet: Cluster) -> Cluster:
    """The shared cluster: all nodes online, no task running."""
    shared_fleet.clean_up()
    return shared_fleet


@pytest.fixture(scope="package")
def browser() -> Iterator[Windows]:
    with windows() as made:
        yield made


@pytest.fixture
def visitors(browser: Windows, fleet: Cluster) -> Iterator[Visitors]:
    """Browser sessions per role. Their pages are reset after the test, which fails if one of them logged an error."""
    with browser.in_use():
        made = Visitors(browser, fleet)
        yield made
        made.leave()


@contextmanager
def _model_on_thread(step: Callable[[dict[str, Any]], Step]) -> Iterator[MessagesApi]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="model")
    thread.start()
    api = MessagesApi(step)
    try:
        asyncio.run_coroutine_threadsafe(api.__aenter__(), loop).result(10)
        yield api
        asyncio.run_coroutine_threadsafe(api.__aexit__(), loop).result(10)
        assert api.refusals == []
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def model_api() -> Callable[[Callable[[dict[str, Any]], Step]], AbstractContextManager[MessagesApi]]:
    """A fake model on a separate thread, for tests that use a browser."""
    return _model_on_thread
