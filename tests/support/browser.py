"""A real Chromium. A page that logs an error, throws, or breaks its content security policy fails the test."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, StorageState, expect, sync_playwright

from tests.support.cluster import Cluster
from tests.support.pages import log_in, pill_of

# Headless and offline: without the networking flags Chromium looks up hosts of its own at every start.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
TIMEOUT_MS = 30_000


def executable() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise AssertionError("no Chromium on PATH: `make test` installs it")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        yield browser
        browser.close()


class WatchedPages:
    """Pages of one context; `faults` collects what no page may do."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.faults: list[str] = []
        self.expected: tuple[str, ...] = ()  # Parts of console errors that a test provokes on purpose.
        context.set_default_timeout(TIMEOUT_MS)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.faults.append(f"uncaught: {error.error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(part in message.text for part in self.expected):
            self.faults.append(f"{message.page.url if message.page else ''}: {message.text}")

    def open(self, url: str) -> Page:
        page = self.context.new_page()
        page.goto(url)
        return page


class Visitors:
    """People at browsers of one cluster, each role logged in once, through its login link."""

    def __init__(self, browser: Browser, fleet: Cluster) -> None:
        self._browser = browser
        self._fleet = fleet
        self._sessions: dict[str, StorageState] = {}
        self._contexts: list[WatchedPages] = []

    def open(self, path: str = "/", *, role: str = "admin", expected: tuple[str, ...] = (), **options: Any) -> Page:
        """A page in a context of its own. `expected`: console errors that the test provokes."""
        watched = self.context(expected=expected, storage_state=self.session(role), **options)
        return watched.open(self._fleet.url + path)

    def open_live(self, path: str = "/", **options: Any) -> Page:
        """The same, once its link to the Leader stands. A mark tells whether the page was ever loaded again."""
        page = self.open(path, **options)
        expect(pill_of(page)).to_have_attribute("data-state", "live")
        page.evaluate("window.wasNeverReloaded = true")
        return page

    def context(self, *, expected: tuple[str, ...] = (), **options: Any) -> WatchedPages:
        watched = WatchedPages(self._browser.new_context(**options))
        watched.expected = expected
        self._contexts.append(watched)
        return watched

    def leave(self) -> None:
        """Closes every page; raises for what they should not have done."""
        contexts, self._contexts = self._contexts, []
        for watched in contexts:
            watched.context.close()
        faults = [fault for watched in contexts for fault in watched.faults]
        assert not faults, "\n".join(faults)

    def session(self, role: str) -> StorageState:
        """For a context of one's own: this role, logged in."""
        if role not in self._sessions:
            if role != "admin":
                self._fleet.add_user(role, role)
            watched = self.context()
            log_in(watched.open(self._fleet.login_link(role)))
            self._sessions[role] = watched.context.storage_state()
            watched.context.close()
        return self._sessions[role]
