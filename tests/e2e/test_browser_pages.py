"""Every page: no console errors, task text is never markup, accessible in both languages and themes, fits a phone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from dashboard.pages.sections import SECTIONS
from tests.support.browser import Visitors
from tests.support.cluster import Cluster
from tests.support.pages import log_texts, note_of, pill_of, press, row_of, violations, violations_in_every_look

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

OWN_PAGES = {
    **{section.name: f"/{section.path}" for section in SECTIONS},
    "task": "/tasks/{task}/",
    "node": "/nodes/master-1/",
}
PAGES = {
    **OWN_PAGES,
    "password": "/account/password/",
    "admin": "/admin/",
    "admin of tasks": "/admin/nodes/task/",
}

MARKUP = "<img src=x onerror='window.wasFooled = 1'><script>window.wasFooled = 1</script>"
# Terminal colours, a link, a window title, a cursor move, right-to-left text, control characters, invalid UTF-8.
HOSTILE = (
    MARKUP,
    "\x1b[31mred\x1b[0m \x1b]8;;javascript:window.wasFooled=1\x07click\x1b]8;;\x07 \x1b]0;title\x07\x1b[2J\x1b[Hend",
    "turned \u202egnp.exe\u202c back",
    "bell\x07 null\x00 tab\tend",
    "WARNING: \x1b[2mit is slow\x1b[0m",
    "ERROR: \x1b[2mit broke\x1b[0m",
)
SHOW_HOSTILE = f"""
import sys, time
for line in {HOSTILE!r}:
    print(line, flush=True)
sys.stdout.buffer.write(b"bytes \\xff\\xfe end\\n")
print("::agentflow progress=0.5 message={MARKUP}::", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def hostile_task(fleet: Cluster) -> Iterator[str]:
    task = fleet.run("master-1", "python3", "-c", SHOW_HOSTILE, name=MARKUP)
    yield task
    fleet.control(task, "cancel")
    fleet.wait_task(task, "cancelled")


@pytest.mark.parametrize("name", PAGES)
def test_page_loads_without_errors(visitors: Visitors, hostile_task: str, name: str) -> None:
    page = visitors.open(PAGES[name].format(task=hostile_task))

    if not name.startswith(("admin", "password")):
        expect(pill_of(page)).to_have_attribute("data-state", "live")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("window.wasFooled") is None


def test_login_page_loads_without_errors(fleet: Cluster, visitors: Visitors) -> None:
    page = visitors.context().open(fleet.url)

    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert violations(page) == []


def test_hostile_text_is_shown_as_text(visitors: Visitors, hostile_task: str) -> None:
    page = visitors.open_live(f"/tasks/{hostile_task}/")
    expect(page.locator("#log-count")).to_have_text("7 lines")

    assert log_texts(page) == [
        MARKUP,
        "red click end",
        "turned ⟨U+202E⟩gnp.exe⟨U+202C⟩ back",
        "bell null tab\tend",
        "WARNING: it is slow",
        "ERROR: it broke",
        "bytes \ufffd\ufffd end",
    ]
    assert page.locator("#log :is(img, script, a)").count() == 0
    expect(note_of(page.locator("#task-head"))).to_have_text(MARKUP)
    expect(page.get_by_role("heading", name=MARKUP)).to_be_visible()
    assert page.evaluate("window.wasFooled") is None


# Boxes that show nothing, and controls that are not part of a form or a link.
DEAD = """() => {
  const isBlank = (part) => part.innerText.trim() === "" && !part.querySelector("input");
  const isDead = (one) => {
    if (one.matches("button")) return !one.form;
    const rest = [...one.children].filter((child) => child.checkVisibility() && !child.matches("header"));
    return one.matches("aside, .skeleton") || rest.every(isBlank);
  };
  const all = [...document.querySelectorAll("main section, main button, header button, aside, .skeleton")];
  return all.filter((one) => one.checkVisibility() && isDead(one)).map((one) => one.outerHTML.slice(0, 120));
}"""


def test_page_without_scripts_has_no_dead_control_and_no_empty_box(
    fleet: Cluster, visitors: Visitors, hostile_task: str
) -> None:
    wide = {"width": 1500, "height": 900}
    page = visitors.open(java_script_enabled=False, viewport=wide)
    page.context.add_cookies([{"name": "agentflow_chat", "value": "open", "url": fleet.url}])
    for name, path in PAGES.items():
        if name.startswith(("admin", "password")):
            continue
        page.goto(fleet.url + path.format(task=hostile_task))

        assert page.evaluate(DEAD) == [], name
        box = page.locator("main").bounding_box()
        assert box is not None
        # An open chat needs the script: without it, the page uses the space.
        assert box["x"] + box["width"] == wide["width"], name


@pytest.mark.parametrize("name", OWN_PAGES)
def test_page_is_accessible(visitors: Visitors, hostile_task: str, name: str) -> None:
    page = visitors.open_live(PAGES[name].format(task=hostile_task))
    if page.locator("#log").count():
        expect(page.locator("#log")).to_contain_text("it broke")
        page.locator(".levels label", has_text="DEBUG").click()

    assert violations_in_every_look(page) == []


def test_chinese_overview_is_accessible(visitors: Visitors, hostile_task: str) -> None:
    page = visitors.open_live(locale="zh-CN")
    expect(row_of(page, MARKUP)).to_be_visible()

    assert violations_in_every_look(page) == []


def test_dialog_is_accessible(visitors: Visitors, hostile_task: str) -> None:
    page = visitors.open_live(reduced_motion="reduce")

    page.get_by_role("button", name="New task").first.click()

    expect(page.get_by_role("dialog", name="New task")).to_be_visible()
    assert violations(page) == []


# Visible texts of the interface, without texts and names from people, tasks, nodes and projects.
VISIBLE_WORDS = """() => {
  const fields = ["name", "note", "actor", "message"].map((name) => `[data-field=${name}]`);
  const foreign = ["#log, .cell-name, .mono, code, .project, .facts dd, script", ...fields].join();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const words = [];
  while (walker.nextNode()) {
    const holder = walker.currentNode.parentElement;
    if (holder.closest(foreign) || !holder.checkVisibility()) continue;
    words.push(...(walker.currentNode.data.match(/[A-Za-z]{2,}/g) ?? []));
  }
  return [...new Set(words)].sort();
}"""
SAME_IN_BOTH = {
    "AgentFlow",
    "CPU",
    "GPU",
    "MiB",
    "GiB",
    "Python",
    "English",
    "Ctrl",
    "DEBUG",
    "INFO",
    "WARN",
    "ERROR",
    "ms",
}
# The roles keep their names in Chinese (docs/glossary.md).
NAMES = {"React", "Flow", "admin", "leader", "master", "edge", "Leader", "Master", "Edge"}


@pytest.mark.parametrize("name", OWN_PAGES)
def test_chinese_page_has_no_english_left(visitors: Visitors, hostile_task: str, name: str) -> None:
    page = visitors.open_live(PAGES[name].format(task=hostile_task), locale="en")
    press(page, "中文")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(pill_of(page)).to_have_attribute("data-state", "live")

    words = set(page.evaluate(VISIBLE_WORDS))

    assert "AgentFlow" in words
    assert words - SAME_IN_BOTH - NAMES == set()


def test_theme_is_chosen_and_kept(visitors: Visitors) -> None:
    page = visitors.open_live(color_scheme="dark")

    press(page, "Switch between dark and light")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.reload()

    expect(page.locator("html")).to_have_attribute("data-theme", "light")


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
@pytest.mark.parametrize("name", OWN_PAGES)
def test_phone_needs_no_sideways_scrolling(visitors: Visitors, hostile_task: str, name: str, locale: str) -> None:
    phone = {"width": 390, "height": 844}
    page = visitors.open_live(PAGES[name].format(task=hostile_task), viewport=phone, locale=locale, has_touch=True)

    assert page.evaluate("document.documentElement.scrollWidth") <= phone["width"]
