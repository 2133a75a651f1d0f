"""A real Chromium. A page that logs an error, throws, or breaks its content security policy fails the test."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

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


def executable() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise AssertionError("no Chromium on PATH: `make test` installs it")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
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
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.faults.append(f"uncaught: {error.error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(part in message.text for part in self.expected):
            self.faults.append(f"{message.page.url if message.page else ''}: {message.text}")

    def open(self, url: str) -> Page:
        page = self.context.new_page()
        page.goto(url)
        return page
