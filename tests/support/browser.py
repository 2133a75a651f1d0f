"""A real Chromium. A page that logs an error, throws, or breaks its content security policy fails the test."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    StorageState,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.support.cluster import Cluster
from tests.support.pages import pill_of

# Headless and offline: without the networking flags, Chromium contacts its own hosts at every start.
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
SIZE: ViewportSize = {"width": 1280, "height": 720}
# Runs nothing, and is on the same site as every page, so the renderer process is kept.
STILL = "/static/favicon.svg"
# Requested by the browser itself for a document without an icon.
ICON = "/favicon.ico"
# Each kept page costs memory; there are about this many kinds.
KEPT_PAGES = 12


def executable() -> str:
    for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"):
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
    """Pages of one context; `faults` collects errors that no page may have."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.faults: list[str] = []
        self.expected: tuple[str, ...] = ()  # Parts of console errors that a test provokes on purpose.
        context.set_default_timeout(TIMEOUT_MS)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.faults.append(f"uncaught: {error.error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type != "error" or message.location["url"].endswith(ICON):
            return
        if not any(part in message.text for part in self.expected):
            self.faults.append(f"{message.page.url if message.page else ''}: {message.text}")

    def open(self, url: str) -> Page:
        page = self.context.new_page()
        page.goto(url)
        return page


class Looks(TypedDict, total=False):
    """What can be changed in an open page."""

    viewport: ViewportSize
    color_scheme: Literal["dark", "light"]
    reduced_motion: Literal["no-preference", "reduce"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Options that are fixed for a context. Contexts of the same kind are interchangeable for tests."""

    locale: str = "en-US"
    has_touch: bool = False
    java_script_enabled: bool = True


class KeptPage(WatchedPages):
    """A context with one page, reused by many tests: a new window costs five times as much as a new document."""

    def __init__(self, browser: Browser, kind: Kind) -> None:
        super().__init__(
            browser.new_context(
                locale=kind.locale,
                has_touch=kind.has_touch,
                java_script_enabled=kind.java_script_enabled,
                viewport=SIZE,
            )
        )
        self.kind = kind
        self.page = self.context.new_page()
        self._looks: Looks = {}

    def begin(self, cookies: StorageState, looks: Looks, expected: tuple[str, ...]) -> None:
        self.expected = expected
        self.faults.clear()
        self.context.clear_cookies()
        self.context.add_cookies(cookies["cookies"])  # type: ignore[arg-type] # The same fields.
        viewport = looks.get("viewport", SIZE)
        if viewport != self.page.viewport_size:
            self.page.set_viewport_size(viewport)
        if looks != self._looks:
            self.page.emulate_media(
                color_scheme=looks.get("color_scheme", "light"),
                reduced_motion=looks.get("reduced_motion", "no-preference"),
            )
        self._looks = looks

    def end(self, origin: str) -> None:
        """Resets it to a new page of a new context, except for its history. Raises Error if that is not possible."""
        for other in self.context.pages:
            if other != self.page:
                other.close()
        self.context.set_offline(False)
        self.context.unroute_all()
        self.page.unroute_all()
        self.page.mouse.move(0, 0)
        if self.page.url.startswith(origin):
            self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        else:
            raise Error("its storage is not accessible")
        self.page.goto(origin + STILL)


class Windows:
    """One browser for all tests of a process, and the pages kept for the next test.

    Playwright's loop counts as running in this thread, and an asynchronous test cannot run beside it: it does so only
    while the browser is `in_use`.
    """

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self.browser = self._stack.enter_context(chromium())
        self._loop = asyncio.get_running_loop()
        self._kept: list[KeptPage] = []  # The least recently used first.
        asyncio._set_running_loop(None)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[Browser]:
        asyncio._set_running_loop(self._loop)
        try:
            yield self.browser
        finally:
            asyncio._set_running_loop(None)

    def take(self, kind: Kind) -> KeptPage:
        found = next((page for page in reversed(self._kept) if page.kind == kind), None)
        if found is None:
            return KeptPage(self.browser, kind)
        self._kept.remove(found)
        return found

    def give_back(self, page: KeptPage, origin: str) -> None:
        try:
            page.end(origin)
        except Error:
            page.context.close()
            return
        self._kept.append(page)
        while len(self._kept) > KEPT_PAGES:
            self._kept.pop(0).context.close()

    def close(self) -> None:
        asyncio._set_running_loop(self._loop)
        self._stack.close()


class Visitors:
    """Browser sessions on one cluster, each role logged in."""

    def __init__(self, windows: Windows, fleet: Cluster) -> None:
        self._windows = windows
        self._fleet = fleet
        self._contexts: list[WatchedPages] = []
        self._kept: list[KeptPage] = []

    def open(
        self,
        path: str = "/",
        *,
        role: str = "admin",
        expected: tuple[str, ...] = (),
        locale: str = "en-US",
        has_touch: bool = False,
        java_script_enabled: bool = True,
        **looks: Any,
    ) -> Page:
        """A page that shares no state with others. `expected`: console errors that the test provokes.

        The page is reused between tests: if you listen to its events or replace its socket, create a `context`.
        Routes, storage, cookies and looks are reset.
        """
        kind = Kind(locale=locale, has_touch=has_touch, java_script_enabled=java_script_enabled)
        kept = self._windows.take(kind)
        self._kept.append(kept)
        kept.begin(self.session(role), Looks(**looks), expected)
        kept.page.goto(self._fleet.url + path)
        return kept.page

    def open_live(self, path: str = "/", **options: Any) -> Page:
        """Like `open`, once the page is live. Sets a mark that shows whether the page is ever reloaded."""
        page = self.open(path, **options)
        expect(pill_of(page)).to_have_attribute("data-state", "live")
        page.evaluate("window.wasNeverReloaded = true")
        return page

    def context(self, *, role: str = "", expected: tuple[str, ...] = (), **options: Any) -> WatchedPages:
        """A separate context; logged in if a role is given."""
        if role:
            options["storage_state"] = self.session(role)
        watched = WatchedPages(self._windows.browser.new_context(**options))
        watched.expected = expected
        self._contexts.append(watched)
        return watched

    def leave(self) -> None:
        """Closes or resets every page; raises if a page has faults."""
        contexts, self._contexts = self._contexts, []
        kept, self._kept = self._kept, []
        for watched in contexts:
            watched.context.close()
        faults = [fault for watched in (*contexts, *kept) for fault in watched.faults]
        for page in kept:
            self._windows.give_back(page, self._fleet.url)
        assert not faults, "\n".join(faults)

    def session(self, role: str) -> StorageState:
        name, value = self._fleet.session_cookie(role)
        cookie = {"name": name, "value": value, "domain": "127.0.0.1", "path": "/"}
        flags = {"expires": -1, "httpOnly": True, "secure": False, "sameSite": "Lax"}
        return {"cookies": [{**cookie, **flags}], "origins": []}  # type: ignore[typeddict-item] # As it is stored.


@contextlib.contextmanager
def windows() -> Iterator[Windows]:
    made = Windows()
    try:
        yield made
    finally:
        made.close()
