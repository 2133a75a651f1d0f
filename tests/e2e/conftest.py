"""A cluster of real processes and a browser, one each per module: tests share them and leave no task running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import Visitors, chromium
from tests.support.cluster import Cluster, cluster

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The nodes offer the demo project, or what the module's PROJECTS says."""
    with cluster(tmp_path_factory.mktemp("fleet")) as made:
        made.start_all(getattr(request.module, "PROJECTS", None))
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def everyone(browser: Browser, fleet: Cluster) -> Visitors:
    return Visitors(browser, fleet)


@pytest.fixture
def visitors(everyone: Visitors) -> Iterator[Visitors]:
    """People whose pages are closed after the test, which fails if one of the pages complained."""
    yield everyone
    everyone.leave()
