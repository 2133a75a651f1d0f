"""The overview of a large fleet: only visible rows are in the page; the rest is counted and reachable."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.bench.page import Fleet, Pushed, stage
from tests.support.browser import Visitors
from tests.support.cluster import Cluster
from tests.support.eventually import eventually_sync
from tests.support.pages import row_of

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SIZE = Fleet(masters=2, edges=60, tasks=150, least_frames=0)


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Pushed]]:
    with stage(Path(tmp_path_factory.mktemp("large")), SIZE) as made:
        yield made


@pytest.fixture(scope="module")
def fleet(staged: tuple[Cluster, Pushed]) -> Cluster:
    return staged[0]


TOP = "row.getBoundingClientRect().top"
# A task row that is fully visible.
IN_SIGHT = f"""[...document.querySelectorAll("#task-rows tr")].find((row) => {{
  const box = row.closest(".panel-body").getBoundingClientRect();
  return {TOP} > box.top && row.getBoundingClientRect().bottom < box.bottom;
}})"""

TOO_WIDE = """[...document.querySelectorAll(".panel-body, .panel-body td, .topo-foot")]
  .filter((box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.className + " " + box.textContent.trim())"""


def rows(page: Page, table: str) -> int:
    return int(page.evaluate(f"document.querySelectorAll('#{table} tr').length"))


def test_only_visible_rows_are_in_the_page(visitors: Visitors) -> None:
    page = visitors.open_live(viewport={"width": 1440, "height": 900})

    expect(page.locator("#node-count")).to_have_text("123")
    expect(page.locator("#task-count")).to_have_text("150")
    expect(page.locator("#nodes table")).to_have_attribute("aria-rowcount", "124")
    assert rows(page, "node-rows") < 30
    assert rows(page, "task-rows") < 30
    assert page.evaluate("document.querySelectorAll('*').length") < 5000


def test_other_rows_are_reached_by_scrolling_and_by_tab(visitors: Visitors) -> None:
    page = visitors.open_live()
    body = page.locator("#nodes .panel-body")

    body.evaluate("box => { box.scrollTop = box.scrollHeight; }")
    last = page.locator("#node-rows tr").last
    expect(last).to_have_attribute("aria-rowindex", "124")
    expect(last).to_be_in_viewport()

    # Scrolling removes rows from the page, even around the focused one; Tab continues from there.
    body.evaluate("box => { box.scrollTop = 0; }")
    first = page.locator('#node-rows [aria-rowindex="2"] a')
    first.focus()
    seen = []
    for _ in range(40):
        seen.append(page.evaluate("document.activeElement.closest('#node-rows tr')?.ariaRowIndex"))
        page.keyboard.press("Tab")
    assert seen == [str(place) for place in range(2, 42)]


def test_focused_row_stays_while_the_list_is_scrolled(visitors: Visitors) -> None:
    page = visitors.open_live()
    link = page.locator('#node-rows [aria-rowindex="3"] a')
    link.focus()
    name = link.inner_text()

    page.locator("#nodes .panel-body").evaluate("box => { box.scrollTop = 3000; }")

    expect(page.locator('#node-rows [aria-rowindex="70"]')).to_be_attached()
    assert page.evaluate("document.activeElement.textContent") == name


def test_filter_finds_rows_that_are_not_visible(visitors: Visitors) -> None:
    page = visitors.open_live()

    page.get_by_role("searchbox", name="Filter nodes").fill("master-002 edge-5")
    expect(page.locator("#node-count")).to_have_text("11 of 123")
    expect(page.locator("#node-rows tr").first).to_contain_text("master-002-edge-5")
    expect(page.locator("#nodes table")).to_have_attribute("aria-rowcount", "12")
    page.get_by_role("searchbox", name="Filter tasks").fill("no such task")
    expect(page.get_by_text("No tasks match.")).to_be_visible()
    expect(page.locator("#task-count")).to_have_text("0 of 150")

    page.get_by_role("searchbox", name="Filter tasks").fill("")
    expect(page.locator("#task-count")).to_have_text("150")


def test_changes_arrive_while_scrolled_and_the_place_is_kept(
    visitors: Visitors, staged: tuple[Cluster, Pushed]
) -> None:
    cluster, pushed = staged
    page = visitors.open_live()
    body = page.locator("#tasks .panel-body")
    body.evaluate("box => { box.scrollTop = 4000; }")
    eventually_sync(lambda: page.evaluate(f"{IN_SIGHT} !== undefined"), 10, "rows where it was scrolled to")
    name, place, before = page.evaluate(
        f"(row => [row.querySelector('a').textContent, row.ariaRowIndex, {TOP}])({IN_SIGHT})"
    )

    cluster.api("POST", "tasks/", {"project": "web", "namedTask": "test", "node": "master-001", "name": "a new one"})
    expect(page.locator("#task-count")).to_have_text("151")
    moved = row_of(page, name)
    expect(moved).to_have_attribute("aria-rowindex", str(int(place) + 1))
    assert abs(moved.evaluate(f"row => {TOP}") - before) < 2

    pushed.rates(states=200)
    expect(page.locator('#task-rows [data-field="note"]').filter(has_text="step").first).to_be_visible()
    pushed.rates()
    body.evaluate("box => { box.scrollTop = 0; }")
    expect(row_of(page, "a new one")).to_be_in_viewport()


def test_without_scripts_other_rows_are_counted_and_linked(visitors: Visitors) -> None:
    page = visitors.open(java_script_enabled=False)

    assert page.locator("#node-rows tr").count() == 20
    page.locator("#nodes").get_by_role("link", name="Show all 123").click()
    expect(page.get_by_role("heading", name="Nodes").first).to_be_visible()
    page.get_by_role("link", name="Older").click()
    expect(page.locator("#node-rows tr").first).to_be_visible()


def test_nothing_is_clipped_while_the_leader_is_away(visitors: Visitors, fleet: Cluster) -> None:
    """The labels of stale data are the longest: "as of 14:03:22", with the date if it is another day."""
    pages = [
        visitors.open_live(expected=("WebSocket", "Failed to load resource"), locale=locale)
        for locale in ("en", "zh-CN")
    ]
    fleet.processes["leader"].kill()

    for page in pages:
        expect(page.locator("body")).to_have_attribute("data-stale", "")
        for width in (1920, 1440, 1280, 1100, 800, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(TOO_WIDE) == [], width
            expect(page.locator("#node-rows .fresh").first).to_be_visible()

    fleet.start_leader()
    for page in pages:
        expect(page.locator("body")).not_to_have_attribute("data-stale", "")
        expect(page.locator("#node-count")).to_have_text("123")
