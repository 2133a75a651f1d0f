"""Locators for parts of the pages."""

from __future__ import annotations

import re
from typing import Literal

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Locator, Page, expect


def log_in(page: Page) -> None:
    """Logs in on the page of a login link."""
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Set password")).to_be_visible()


def pill_of(page: Page) -> Locator:
    return page.locator("#link-pill")


def row_of(page: Page, name: str) -> Locator:
    return page.locator("#task-rows tr").filter(has_text=name)


def chip_of(scope: Locator) -> Locator:
    return scope.locator('[data-field="state"] .chip-label')


def note_of(scope: Locator) -> Locator:
    return scope.locator('[data-field="note"]')


def progress_of(scope: Locator) -> float:
    return float(scope.locator("progress").evaluate("bar => bar.value"))


def press(scope: Page | Locator, action: str) -> None:
    scope.get_by_role("button", name=action, exact=True).click()


def expect_never_reloaded(page: Page) -> None:
    """For a page opened by `Visitors.open_live`."""
    assert page.evaluate("window.wasNeverReloaded") is True


def violations(page: Page, *rules: str) -> list[str]:
    """Accessibility violations found by axe, of all rules or only of these; each with the first element concerned."""
    # Other results have one entry per element and are not needed.
    options: dict[str, object] = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate("(options) => axe.run(options)", options)["violations"]
    return [
        f"{rule['id']}: {rule['nodes'][0]['html']} ({len(rule['nodes'])} of them) {rule['nodes'][0]['failureSummary']}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]


def violations_in_every_look(page: Page) -> list[str]:
    """In both themes, at desktop and phone width. The page must follow the system's theme."""
    found = []
    # Themes differ only in their colours; at another width there are other parts.
    looks: list[tuple[int, Literal["dark", "light"], tuple[str, ...]]] = [
        (1500, "dark", ("color-contrast",)),
        (1500, "light", ()),
        (390, "light", ()),
    ]
    for width, theme, rules in looks:
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.evaluate(_SETTLED)
        found += [f"{width} {theme}: {violation}" for violation in violations(page, *rules)]
    return found


# Colours change to the other theme with transitions, one after the other along the inheritance.
_SETTLED = """async () => {
  const moves = (one) => one instanceof CSSTransition && one.transitionProperty.endsWith("color");
  for (let frames = 0, still = 0; still < 5 && frames < 200; frames += 1) {
    await new Promise(requestAnimationFrame);
    still = document.getAnimations().some(moves) ? 0 : still + 1;
  }
}"""


def line_count(page: Page) -> int:
    """The number of lines in the page; the label may also have the total."""
    found = re.search(r"\d[\d,]*", page.locator("#log-count").inner_text())
    return int(found[0].replace(",", "")) if found else 0


def log_texts(page: Page) -> list[str]:
    """Every line of the page's log in its order: the list is virtual, so it is scrolled through from its top."""
    texts: list[str] = page.locator("#log").evaluate(_READ_LOG)
    return texts


# While rows are replaced there are none until the next frame: what was read then is incomplete, and is read again.
_READ_LOG = """async (box) => {
  const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  for (let tries = 0; tries < 100; tries += 1) {
    const rows = new Map();
    box.scrollTop = 0;
    for (;;) {
      await painted();
      for (const row of box.querySelectorAll(".log-line")) {
        rows.set(parseFloat(row.style.top), row.querySelector(".log-text").textContent);
      }
      if (box.scrollTop + box.clientHeight >= box.scrollHeight - 1) break;
      box.scrollTop += box.clientHeight;
    }
    const height = parseFloat(box.querySelector(".log-pad").style.height) || 0;
    const texts = [...rows].sort(([a], [b]) => a - b);
    const step = texts.length > 1 ? texts[1][0] - texts[0][0] : height;
    if (texts.length * step === height) return texts.map(([, text]) => text);
  }
  throw new Error("the log does not settle");
}"""
