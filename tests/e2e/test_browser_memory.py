"""The memory pages on a real Leader: entries are found, edited and reverted; edits never overwrite each other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.test_browser_chat import WIDE, new_conversation, open_chat, say
from tests.support.browser import Visitors
from tests.support.cluster import Cluster
from tests.support.pages import press, violations

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def remembered(fleet: Cluster, visitors: Visitors) -> Iterator[str]:
    """A memory file with one entry; the path of its page."""
    page = visitors.open_live("/memory/", viewport=WIDE)
    panel = open_chat(page)
    say(panel, "remember that the staging database is called blue")
    expect(panel.locator(".chat-turn").last).to_have_attribute("data-state", "done")
    page.reload()
    row = page.locator("#memory-list tr").filter(has_text="the staging database is called blue")
    path = row.get_by_role("link").get_attribute("href")
    assert path is not None
    yield path
    page.goto(fleet.url + path)
    if page.get_by_role("button", name="Delete").count():
        press(page, "Delete")
        expect(page.locator(".task-title .chip")).to_have_text("deleted")
    new_conversation(fleet)


def editor_of(page: Page) -> Locator:
    return page.locator("main textarea")


def text_of(page: Page) -> str:
    return editor_of(page).input_value()


def test_entry_is_found_edited_and_reverted(visitors: Visitors, remembered: str) -> None:
    page = visitors.open_live("/memory/", viewport=WIDE)
    rows = page.locator("#memory-list tbody tr")
    search = page.get_by_label("Text in path or content")
    search.fill("no such words")
    expect(page.locator("#memory-list")).to_contain_text("No memory files match.")
    search.fill("staging database")
    expect(rows).to_have_count(1)
    rows.get_by_role("link").click()
    before = text_of(page)
    assert "blue" in before
    expect(page.locator(".revisions li").first).to_contain_text("admin (offline)")

    editor_of(page).fill(before.replace("blue", "<b>green</b>"))
    page.get_by_label("Why").fill("it was renamed")
    press(page, "Save")

    newest = page.locator(".revisions li").first
    expect(newest).to_contain_text("it was renamed")
    expect(newest.locator(".is-removed")).to_contain_text("blue")
    expect(newest.locator(".is-added")).to_contain_text("<b>green</b>")
    assert "<b>green</b>" in text_of(page)
    page.locator(".revisions li").nth(1).get_by_role("button").click()
    expect(page.locator(".revisions li").first).to_contain_text("reverted")
    assert text_of(page) == before

    press(page, "Delete")
    expect(page.locator(".task-title .chip")).to_have_text("deleted")
    page.goto(page.url.split("/memory/")[0] + "/memory/")
    expect(page.locator("#memory-list")).not_to_contain_text("staging database")
    page.get_by_label("State").select_option("Deleted")
    expect(rows.filter(has_text="staging database")).to_have_count(1)
    page.goto(page.url.split("/memory/")[0] + remembered)
    page.locator(".revisions li").nth(1).get_by_role("button").click()
    expect(page.locator(".task-title .chip")).to_have_text("kept")
    assert text_of(page) == before


def test_second_of_two_editors_gets_a_notice_and_keeps_the_text(visitors: Visitors, remembered: str) -> None:
    first = visitors.open_live(remembered, viewport=WIDE)
    second = visitors.open_live(remembered, role="operator", viewport=WIDE, expected=("409",))
    editor_of(first).fill("of the first")
    press(first, "Save")
    expect(first.locator(".revisions li").first).to_contain_text("edited")

    editor_of(second).fill("of the second")
    second.get_by_label("Why").fill("I know better")
    press(second, "Save")

    expect(second.get_by_role("alert").filter(has_text="changed")).to_be_visible()
    assert text_of(second) == "of the second"
    expect(second.get_by_label("Why")).to_have_value("I know better")
    expect(second.locator(".revisions li").first).to_contain_text("of the first")
    press(second, "Save")
    expect(second.locator(".revisions li").first).to_contain_text("operator")
    first.reload()
    assert text_of(first) == "of the second"


def test_viewer_reads_and_changes_nothing(visitors: Visitors, remembered: str) -> None:
    page = visitors.open_live(remembered, role="viewer", viewport=WIDE)

    expect(page.locator("main")).to_contain_text("the staging database is called blue")
    expect(page.locator("main").get_by_role("button")).to_have_count(0)
    expect(page.locator("main").get_by_role("textbox")).to_have_count(0)


def test_next_request_is_shown_in_sections(visitors: Visitors, remembered: str) -> None:
    page = visitors.open_live("/memory/", viewport=WIDE)
    page.locator("main").get_by_role("link", name="*:master-1").first.click()

    request = page.locator('[data-request="next"]')
    expect(request).to_contain_text("not sent")
    messages = request.locator("details", has=page.get_by_text("Messages", exact=True))
    messages.locator("summary").click()
    expect(messages.locator("pre")).to_contain_text("remember that the staging database is called blue")


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(visitors: Visitors, remembered: str, scheme: str, locale: str) -> None:
    page = visitors.open_live("/memory/", viewport=WIDE, color_scheme=scheme, locale=locale)
    context = page.locator("main").get_by_role("link", name="*:master-1").first.get_attribute("href")
    found = {"list": violations(page)}
    for name, path in (("file", remembered), ("context", context)):
        page.goto(page.url.split("/memory/")[0] + str(path))
        for fold in page.locator("main details").all():
            fold.locator("summary").click()
        found[name] = violations(page)

    assert found == {"list": [], "file": [], "context": []}


def test_pages_fit_a_phone(visitors: Visitors, remembered: str) -> None:
    page = visitors.open_live("/memory/", viewport=PHONE, has_touch=True)
    context = page.locator("main").get_by_role("link", name="*:master-1").first.get_attribute("href")

    for path in ("/memory/", remembered, str(context)):
        page.goto(page.url.split("/memory/")[0] + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
