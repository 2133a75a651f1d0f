"""The age of what a page shows: for each node and link, for tasks of unreachable nodes, and for the page itself."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.programs import COUNTER
from tests.support.browser import Visitors
from tests.support.cluster import Cluster
from tests.support.eventually import eventually_sync
from tests.support.pages import chip_of, note_of, pill_of

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NO_LEADER = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")
CLOCK = r"\d\d:\d\d:\d\d"


WATCH_STALE = """() => {
  const look = () => { if (!document.body.hasAttribute("data-stale")) window.pretended = true; };
  new MutationObserver(look).observe(document.body, { attributes: true });
}"""


def fresh_of(scope: Locator) -> Locator:
    return scope.locator('[data-field="fresh"]')


def alerts_of(page: Page) -> Locator:
    return page.locator('[data-tile="alerts"]')


def card_of(page: Page, node: str) -> Locator:
    return page.locator(f'.react-flow__node[data-id="{node}"]')


def wire_word(page: Page, parent: str, node: str) -> Locator:
    return page.locator(f'.react-flow__edge[data-id="{parent}>{node}"] .wire-word')


def test_idle_nodes_are_live_and_ages_grow_without_traffic(visitors: Visitors) -> None:
    page = visitors.open_live()
    for node in ("leader", "master-1", "master-2", "edge-1"):
        expect(fresh_of(page.locator(f"#node-{node}"))).to_have_text("live")
        expect(card_of(page, node).locator(".fresh")).to_have_text("live")
    for parent, node in (("leader", "master-1"), ("leader", "master-2"), ("master-1", "edge-1")):
        expect(wire_word(page, parent, node)).to_have_text(re.compile(r"^[\d.]+ ms$"))

    # Nothing arrives anymore, but the page's clock continues.
    page.context.set_offline(True)
    age = page.locator('#node-master-2 time[data-style="age"]')
    before = age.inner_text()
    eventually_sync(lambda: age.inner_text() != before, timeout=15, message="the age grows")


def test_unreachable_master_makes_the_state_behind_it_stale(fleet: Cluster, visitors: Visitors) -> None:
    task = fleet.run("edge-1", "python3", "-c", COUNTER, name="behind a master")
    overview = visitors.open_live()
    edge_page = visitors.open_live("/nodes/edge-1/")
    expect(chip_of(overview.locator(f"#task-{task}"))).to_have_text("Running")
    expect(edge_page.locator("#hops li")).to_have_count(4)

    fleet.processes["master-1"].kill()

    for node in ("master-1", "edge-1"):
        expect(fresh_of(overview.locator(f"#node-{node}"))).to_have_text(re.compile(f"since {CLOCK}"))
        expect(card_of(overview, node)).to_contain_text(re.compile(f"since {CLOCK}"))
    expect(card_of(overview, "edge-1")).to_contain_text("master-1 is unreachable")
    expect(edge_page.locator("#node-head [data-field=beyond]")).to_have_text("master-1 is unreachable")
    expect(wire_word(overview, "leader", "master-1")).to_have_text(re.compile("silent|down"))
    expect(edge_page.locator("#hops .hop-link").nth(2)).to_have_text(re.compile("silent|down"))
    expect(edge_page.locator("#hops .hop-link").nth(1)).to_have_attribute("data-link", "ok")
    # Nodes that do not depend on it are not affected.
    expect(fresh_of(overview.locator("#node-master-2"))).to_have_text("live")
    expect(overview.locator('[data-tile="tasks"] [data-value]')).to_have_text("0")
    expect(overview.locator('[data-tile="tasks"]')).to_contain_text("1 unknown")
    expect(overview.locator("#node-edge-1 [data-field=slots]")).to_have_text("1 unknown")
    expect(alerts_of(overview)).to_contain_text("Tasks: 1 unknown")
    expect(alerts_of(visitors.open(java_script_enabled=False))).to_contain_text("Tasks: 1 unknown")

    # Server-rendered pages show the same: a new overview, the task's page, the work log.
    for path, scope in (("/tasks/", f"#task-{task}"), (f"/tasks/{task}/", "#task-head")):
        page = visitors.open(path, java_script_enabled=False)
        expect(chip_of(page.locator(scope))).to_have_text("Unknown")
        expect(note_of(page.locator(scope))).to_have_text(re.compile(f"Running · unknown since {CLOCK}"))
    work_log = visitors.open("/history/")
    expect(chip_of(work_log.locator("tr").filter(has_text="behind a master"))).to_have_text("Unknown")

    fleet.processes["master-1"].start()
    for node in ("master-1", "edge-1"):
        expect(fresh_of(overview.locator(f"#node-{node}"))).to_have_text("live")
    expect(chip_of(overview.locator(f"#task-{task}"))).to_have_text("Running")
    fleet.control(task, "cancel")
    expect(chip_of(overview.locator(f"#task-{task}"))).to_have_text("Cancelled")


def test_disconnected_page_shows_nothing_as_live(fleet: Cluster, visitors: Visitors) -> None:
    page = visitors.open_live(expected=NO_LEADER)

    fleet.processes["leader"].kill()

    expect(page.locator("#link-notice")).to_have_text(re.compile(f"Disconnected since {CLOCK}"))
    expect(page.locator("body")).to_have_attribute("data-stale", "")
    for node in ("leader", "master-1", "master-2", "edge-1"):
        expect(fresh_of(page.locator(f"#node-{node}"))).to_have_text(re.compile(f"as of {CLOCK}"))
        expect(card_of(page, node).locator(".fresh")).to_have_text(re.compile(f"as of {CLOCK}"))
    expect(wire_word(page, "leader", "master-2")).to_have_text("?")
    expect(alerts_of(page)).to_contain_text(re.compile(f"as of {CLOCK}"))
    expect(alerts_of(page)).not_to_contain_text("all clear")
    # A reconnect attempt does not change the age.
    page.evaluate(WATCH_STALE)
    with page.expect_request(re.compile("/live-ticket")):
        pass
    expect(pill_of(page)).to_have_attribute("data-state", "waiting")
    assert page.evaluate("window.pretended") is None

    fleet.start_leader()
    expect(pill_of(page)).to_have_attribute("data-state", "live")
    expect(alerts_of(page)).to_contain_text("all clear")
    expect(page.locator("body")).not_to_have_attribute("data-stale", "")
    for node in ("leader", "master-1", "master-2", "edge-1"):
        expect(fresh_of(page.locator(f"#node-{node}"))).to_have_text("live")
