"""What a page shows when data is permanently missing, and when the Leader cannot store or answer.

The test injects messages of a Leader into the page's socket, in addition to those of the real Leader.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.e2e.programs import count_to, numbers
from tests.support.browser import Visitors, WatchedPages
from tests.support.cluster import Cluster
from tests.support.eventually import eventually_sync
from tests.support.pages import log_texts, pill_of, violations

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


class Tapped:
    """A page into whose socket the test can inject messages."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._sockets: list[WebSocketRoute] = []
        self._is_cut = False
        page.route_web_socket("**/ws/", self._join)

    def _join(self, socket: WebSocketRoute) -> None:
        if self._is_cut:
            socket.close()
            return
        server = socket.connect_to_server()
        socket.on_message(server.send)
        server.on_message(socket.send)
        self._sockets.append(socket)

    def open(self, url: str) -> Page:
        self.page.goto(url)
        expect(pill_of(self.page)).to_have_attribute("data-state", "live")
        return self.page

    def cut(self) -> None:
        self._is_cut = True
        self._sockets[-1].close()
        expect(pill_of(self.page)).to_have_attribute("data-state", "waiting")

    def reconnect(self) -> None:
        self._is_cut = False
        expect(pill_of(self.page)).to_have_attribute("data-state", "live")

    def say(self, **message: Any) -> None:
        self._sockets[-1].send(json.dumps(message))


@pytest.fixture
def tap(fleet: Cluster, visitors: Visitors) -> Iterator[Any]:
    def tapped(**options: Any) -> Tapped:
        watched: WatchedPages = visitors.context(role="admin", **options)
        return Tapped(watched.context.new_page())

    return tapped


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("en", r"No new data has been stored since \d\d:\d\d:\d\d: the Leader's disk is full\."),
        ("zh-CN", r"自 \d\d:\d\d:\d\d 起无法保存新数据：Leader 的磁盘已满。"),
    ],
)
def test_banner_is_shown_while_nothing_can_be_stored(tap: Any, fleet: Cluster, locale: str, words: str) -> None:
    tapped: Tapped = tap(locale=locale)
    page = tapped.open(fleet.url)
    banner = page.locator("#store-banner")
    expect(banner).to_be_hidden()

    tapped.say(type="STORE", at=now_ms(), state="failing", reason="full", message="disk full", since=now_ms())
    expect(banner).to_have_text(re.compile(words))
    expect(page.get_by_role("status").filter(has=banner)).to_be_visible()

    tile = page.locator('[data-tile="alerts"]')
    expect(tile).to_contain_text("nothing new is stored" if locale == "en" else "无法保存新数据")

    tapped.say(type="STORE", at=now_ms(), state="ok", reason="", message="", since=None)
    expect(banner).to_be_hidden()
    expect(tile).to_contain_text("all clear" if locale == "en" else "一切正常")


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("path", ["/", "/nodes/edge-1/"])
def test_page_with_errors_is_accessible(tap: Any, fleet: Cluster, path: str, theme: str) -> None:
    tapped: Tapped = tap(color_scheme=theme, reduced_motion="reduce")
    page = tapped.open(fleet.url + path)
    tapped.say(type="STORE", at=now_ms(), state="failing", reason="locked", message="", since=now_ms())
    store, seq = fleet.rows("SELECT store_id, feed_seq FROM nodes_store")[0]
    place = {"store": store, "seq": str(seq + 1), "at": now_ms(), "lane": "logs", "node": "edge-1"}
    tapped.say(
        type="GAP", **place, task="", attempt=0, firstLine=0, lines=0, reason="trimmed", **{"from": "1", "to": "9"}
    )
    expect(
        page.get_by_text("Entries 1 to 9 are no longer available: the node deleted them to free space")
    ).to_be_visible()
    # What a disconnected page looks like; this one is still connected.
    page.evaluate("document.body.setAttribute('data-stale', '')")

    assert violations(page) == []


def test_missing_lines_are_shown_in_place(tap: Any, fleet: Cluster) -> None:
    task = fleet.run("master-1", "python3", "-c", count_to(5))
    fleet.wait_task(task, "failed")
    tapped: Tapped = tap()
    page = tapped.open(f"{fleet.url}/tasks/{task}/")
    expect(page.locator("#log-count")).to_have_text("5 lines")
    store, seq = fleet.rows("SELECT store_id, feed_seq FROM nodes_store")[0]
    gap = {"type": "GAP", "store": store, "at": now_ms(), "lane": "logs", "node": "master-1", "attempt": 1}
    gap |= {"from": "6", "to": "9"}

    tapped.say(**gap, seq=str(seq + 1), task=task, firstLine=6, lines=4994, reason="trimmed")
    tapped.say(**gap, seq=str(seq + 2), task="another", firstLine=1, lines=7, reason="trimmed")
    line = {"node": "master-1", "task": task, "attempt": 1}
    lines = [["x1", 5000, now_ms(), "info", "stdout", "line 5000"]]
    tapped.say(type="LOG", store=store, seq=str(seq + 3), **line, lines=lines)

    expect(page.locator("#log")).to_contain_text("line 5000")
    expected = "Lines 6 to 4,999 are no longer available: the node deleted them to free space"
    assert log_texts(page) == [*(f"line {number}" for number in range(1, 6)), expected, "line 5000"]


def test_node_page_says_when_the_node_offers_something_else(tap: Any, fleet: Cluster) -> None:
    tapped: Tapped = tap()
    page = tapped.open(f"{fleet.url}/nodes/edge-1/")
    store, seq = fleet.rows("SELECT store_id, feed_seq FROM nodes_store")[0]
    node = fleet.api("GET", "nodes/edge-1/")
    notice = page.locator("#node-changed")

    tapped.say(type="NODE_STATUS", store=store, seq=str(seq + 1), at=now_ms(), node={**node, "running": 3})
    expect(page.locator('#node-head [data-field="slots"]')).to_contain_text("3 /")
    expect(notice).to_be_hidden()
    node["capabilities"]["projects"] = []
    tapped.say(type="NODE_STATUS", store=store, seq=str(seq + 2), at=now_ms(), node=node)

    expect(notice).to_contain_text("has changed since the page was loaded")
    expect(notice.get_by_role("link", name="Reload")).to_be_visible()


def test_new_task_form_is_empty_unless_the_last_request_failed(tap: Any, fleet: Cluster) -> None:
    tapped: Tapped = tap()
    page = tapped.open(f"{fleet.url}/nodes/master-1/")
    dialog = page.get_by_role("dialog", name="New task")
    command = dialog.locator("[name=command]")
    typed = {
        "command": "make deploy",
        "name": "deploy",
        "timeoutSeconds": "9",
        "workingDirectory": "/srv",
        "environment": "A=1",
    }

    def fill() -> None:
        page.get_by_role("button", name="Run", exact=True).first.click()
        expect(dialog.locator("[name=task]")).to_be_visible()
        dialog.get_by_text("Command", exact=True).first.click()
        dialog.locator("summary").click()
        for field, value in typed.items():
            dialog.locator(f"[name={field}]").fill(value)
        dialog.locator("[name=closeInput]").check()

    def values() -> dict[str, str]:
        return {field: dialog.locator(f"[name={field}]").input_value() for field in typed}

    fill()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("n")
    expect(dialog.locator("[name=kind][value=named]")).to_be_checked()
    assert values() == dict.fromkeys(typed, "")
    expect(dialog.locator("[name=closeInput]")).not_to_be_checked()
    page.keyboard.press("Escape")

    tapped.cut()
    fill()
    command.press("Enter")
    expect(page.locator(".toast-card")).to_contain_text("Not sent")
    # A different named task starts with an empty form.
    page.get_by_role("button", name="Run", exact=True).last.click()
    assert values() == dict.fromkeys(typed, "")
    page.keyboard.press("Escape")
    fill()
    command.press("Enter")
    expect(dialog).to_be_hidden()
    page.keyboard.press("n")
    expect(dialog.get_by_role("alert")).to_contain_text("no connection")
    assert values() == typed
    expect(dialog.locator("[name=closeInput]")).to_be_checked()
    expect(dialog.get_by_role("combobox", name="Node", exact=True)).to_have_value("master-1")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    assert values() == dict.fromkeys(typed, "")


@pytest.mark.parametrize("width", [1, 600])
def test_attempt_during_a_disconnect_is_shown_completely(tap: Any, fleet: Cluster, width: int) -> None:
    """At the greater width there is so much output that the SNAPSHOT has only the newest lines."""
    program = f"for number in range(1, 2501): print('line', number, 'x' * {width})"
    task = fleet.run("master-1", "python3", "-c", program)
    fleet.wait_task(task, "succeeded")
    tapped: Tapped = tap()
    page = tapped.open(f"{fleet.url}/tasks/{task}/")

    tapped.cut()
    fleet.control(task, "retry")
    fleet.wait_task(task, "succeeded")
    fleet.control(task, "retry")
    fleet.wait_task(task, "succeeded")
    tapped.reconnect()

    expect(page.locator("#log-attempt")).to_have_text("#3")
    rows = page.get_by_role("navigation", name="Attempts").get_by_role("link")
    expect(rows).to_have_text([re.compile(f"#{number}.*Done.*master-1") for number in (3, 2, 1)])
    # Older lines load when the reader scrolls up.
    to_top = "box => { box.scrollTop = 0; box.dispatchEvent(new Event('scroll')); }"

    def is_whole() -> bool:
        page.locator("#log").evaluate(to_top)
        return page.locator("#log-count").inner_text() == "2,500 lines"

    eventually_sync(is_whole, message="all lines are here")
    assert numbers(log_texts(page)) == [*range(1, 2501)]


def test_gap_is_shown_in_the_log_of_all_tasks(tap: Any, fleet: Cluster) -> None:
    tapped: Tapped = tap()
    page = tapped.open(f"{fleet.url}/logs/")
    store, seq = fleet.rows("SELECT store_id, feed_seq FROM nodes_store")[0]

    place = {"store": store, "seq": str(seq + 1), "at": now_ms(), "lane": "logs", "node": "edge-1"}
    entries = {"from": "6", "to": "9"}
    tapped.say(type="GAP", **place, **entries, task="t1", attempt=1, firstLine=3, lines=1, reason="unheard-of")

    gap = page.locator("#log [data-gap] .log-text")
    expect(gap).to_have_text("t1 · Line 3 is no longer available: unheard-of")


def test_log_without_lines_says_why(fleet: Cluster, visitors: Visitors) -> None:
    task = fleet.run("master-1", "sleep", "600")
    fleet.wait_task(task, "running")
    page = visitors.open_live(f"/tasks/{task}/")
    expect(page.locator("#log-empty")).to_have_text("No output yet.")

    fleet.control(task, "cancel")

    expect(page.locator("#log-empty")).to_have_text("No output.")


def test_list_that_fails_to_load_stays_and_shows_the_error(fleet: Cluster, visitors: Visitors) -> None:
    page = visitors.open_live("/tasks/", expected=("503 (Service Unavailable)",))
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/tasks/?*", hold)

    page.get_by_role("combobox", name="State").select_option("failed")
    expect(page.locator("#task-results")).to_have_attribute("aria-busy", "true")
    eventually_sync(lambda: held)
    held[-1].fulfill(status=503, body="<h1>no</h1>", content_type="text/html")

    expect(page.locator("#task-results")).not_to_have_attribute("aria-busy", "true")
    expect(page.locator(".toast-card")).to_contain_text("The server does not respond")
    expect(page.locator("#task-rows")).to_be_attached()
