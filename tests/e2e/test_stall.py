"""A task that waits for a person, shown live in the page."""

from __future__ import annotations

import uuid

import pytest
from playwright.sync_api import expect

from tests.support.browser import Visitors
from tests.support.cluster import Cluster
from tests.support.pages import chip_of, expect_never_reloaded, row_of

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ASKS = "import time\nprint('step 1')\nname = input('Deploy where? ')\nprint('deploying to', name)\ntime.sleep(600)"


def test_waiting_task_notifies_with_evidence_and_recovers_when_answered(fleet: Cluster, visitors: Visitors) -> None:
    page = visitors.open_live()
    phone = visitors.open_live(locale="zh-CN", viewport={"width": 390, "height": 844})
    name = f"asks <b> {uuid.uuid4().hex[:8]}"
    task = fleet.run("master-1", "python3", "-c", ASKS, name=name, stallAfterSeconds=3)
    row = row_of(page, name)
    health = row.locator('[data-field="health"] .chip-label')

    expect(health).to_have_text("Waiting for you", timeout=30_000)
    item = page.locator("#alert-list li", has_text=name)
    expect(item).to_contain_text("waiting for input: a process is reading")
    card = page.locator("#toasts .toast-card").filter(has_text=name)
    for place in (item, card):
        expect(place.get_by_role("link", name=name, exact=True)).to_have_attribute("href", f"/tasks/{task}/")
        expect(place.get_by_role("link", name="master-1", exact=True)).to_have_attribute("href", "/nodes/master-1/")
    for place in (phone.locator("#alert-list li"), phone.locator("#toasts .toast-card")):
        told = place.filter(has_text=name)
        expect(told).to_contain_text("等待输入：")
        expect(told).not_to_contain_text("waiting for input")
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    (alert,) = fleet.api("GET", f"alerts/?open=true&task={task}")["results"]
    evidence = {piece["kind"]: piece["text"] for piece in fleet.api("GET", f"alerts/{alert['id']}/")["evidence"]}
    assert evidence["lines"].splitlines() == ["step 1", "Deploy where? "]
    assert "python3 -c" in evidence["processes"]
    # The command is for people who may run commands.
    (shown,) = (
        piece["text"]
        for piece in fleet.api("GET", f"alerts/{alert['id']}/", role="operator")["evidence"]
        if piece["kind"] == "processes"
    )
    assert "python3" not in shown

    fleet.control(task, "input", input="the moon\n")

    expect(item).to_have_count(0, timeout=30_000)
    expect(health).to_be_hidden()
    expect(chip_of(row)).to_have_text("Running")
    expect(page.locator("#log")).to_contain_text("deploying to the moon")
    expect_never_reloaded(page)
    fleet.control(task, "cancel")
    expect(chip_of(row)).to_have_text("Cancelled")
