"""One arena shared by many scenarios, created on first use and replaced after a failed scenario."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.arena import Arena, arena_in
from tests.faults.clocks import JumpingClock
from tests.faults.disks import SmallDisk, small_disk
from tests.faults.network import Link, own_link
from tests.support.browser import Visitors, Windows, windows
from tests.support.first_site import share_first_site

_PASSED = pytest.StashKey[bool]()


class SharedArena:
    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory
        self._stack = ExitStack()
        self._arena: Arena | None = None

    def get(self) -> Arena:
        if self._arena is None:
            arena = self._stack.enter_context(arena_in(self._factory.mktemp("arena")))
            self._arena = arena.start()
        self._arena.was_checked = False
        return self._arena

    def drop(self) -> None:
        self._arena = None
        self._stack.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report = yield
    if call.when == "call":
        item.stash[_PASSED] = report.passed
    return report


@pytest.fixture(scope="session", autouse=True)
def _first_site(tmp_path_factory: pytest.TempPathFactory) -> None:
    share_first_site(tmp_path_factory.getbasetemp().parent)


@pytest.fixture(scope="package")
def shared_arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedArena]:
    shared = SharedArena(tmp_path_factory)
    yield shared
    shared.drop()


@pytest.fixture
def arena(request: pytest.FixtureRequest, shared_arena: SharedArena) -> Iterator[Arena]:
    """Leader, master-1, master-2 and edge-1 behind master-1. The scenario leaves it healthy and calls `check` last."""
    made = shared_arena.get()
    yield made
    if not request.node.stash.get(_PASSED, False):
        shared_arena.drop()
    else:
        assert made.was_checked, "a scenario must end with arena.check()"
        made.leave()


@pytest.fixture
def new_arena(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Arena]]:
    """Creates separate arenas, not started yet, for another network, disk or clock."""
    with ExitStack() as stack:
        made: list[Arena] = []

        def make() -> Arena:
            made.append(stack.enter_context(arena_in(tmp_path / f"arena-{len(made)}")))
            return made[-1]

        yield make
        if request.node.stash.get(_PASSED, False):
            assert all(arena.was_checked for arena in made), "a scenario must end with arena.check()"


@pytest.fixture(scope="package")
def browser() -> Iterator[Windows]:
    with windows() as made:
        yield made


@pytest.fixture
def visitors(browser: Windows, arena: Arena) -> Iterator[Visitors]:
    """Browser sessions on the shared arena; the test fails if one of their pages logs an error."""
    with browser.in_use():
        made = Visitors(browser, arena.cluster)
        yield made
        made.leave()


@pytest.fixture(scope="session")
def shared_link() -> Iterator[Link]:
    """Made once: each new interface makes the browsers of other workers drop their connections."""
    with ExitStack() as stack:
        try:
            made = stack.enter_context(own_link())
        except PermissionError as exc:
            pytest.skip(str(exc))
        yield made


@pytest.fixture
def link(shared_link: Link) -> Iterator[Link]:
    yield shared_link
    shared_link.heal()


@pytest.fixture
def new_disk(tmp_path: Path) -> Iterator[Callable[[str, int], SmallDisk]]:
    """`new_disk(path below the test's folder, MiB)`; call it before anything is written there."""
    with ExitStack() as stack:

        def make(name: str, size_mib: int) -> SmallDisk:
            try:
                return stack.enter_context(small_disk(tmp_path / name, size_mib))
            except PermissionError as exc:
                pytest.skip(str(exc))

        yield make


@pytest.fixture
def new_clock(tmp_path: Path) -> Callable[[str], JumpingClock]:
    def make(name: str) -> JumpingClock:
        try:
            return JumpingClock(tmp_path / f"{name}.clock")
        except PermissionError as exc:
            pytest.skip(str(exc))

    return make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slow)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what the scenarios measured (`record_property`), including other workers."""
    figures = [
        (report.nodeid.rpartition("::")[2], name, value)
        for report in terminalreporter.getreports("passed")
        if "tests/faults/" in report.nodeid and report.when == "call"
        for name, value in report.user_properties
    ]
    if figures:
        terminalreporter.section("fault figures")
        for scenario, name, value in figures:
            terminalreporter.write_line(f"{scenario:<60} {name}: {value}")
