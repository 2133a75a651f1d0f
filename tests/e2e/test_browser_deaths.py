"""An open page while the Leader or a Master is killed: it shows that, recovers, and shows each line once."""

from __future__ import annotations

import os
import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.programs import COUNTER, count_to, numbers
from tests.support.browser import Visitors
from tests.support.cluster import Cluster
from tests.support.eventually import eventually_sync
from tests.support.pages import chip_of, expect_never_reloaded, line_count, log_texts, note_of, pill_of

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# Logged by the browser while the server is down; errors of the page itself still fail the test.
NO_LEADER = ("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")


def lines_in(page: Page) -> list[int]:
    return numbers(log_texts(page))


def test_leader_killed_while_a_task_runs(fleet: Cluster, visitors: Visitors) -> None:
    task = fleet.run("master-1", "python3", "-c", count_to(400))
    page = visitors.open_live(f"/tasks/{task}/", expected=NO_LEADER)
    overview = visitors.open_live(expected=NO_LEADER)
    eventually_sync(lambda: line_count(page) > 20, message="its output flows")

    fleet.processes["leader"].kill()
    for each in (page, overview):
        expect(pill_of(each)).to_have_text(re.compile("Reconnecting"))
        expect(each.locator("#link-notice")).to_be_visible()
    fleet.start_leader()

    for each, scope in ((page, page.locator("#task-head")), (overview, overview.locator(f"#task-{task}"))):
        expect(pill_of(each)).to_have_attribute("data-state", "live")
        expect(each.locator("#link-notice")).to_be_hidden()
        expect(chip_of(scope)).to_have_text("Failed")
        expect(note_of(scope)).to_have_text("exit code 7")
        expect_never_reloaded(each)
    eventually_sync(lambda: line_count(page) >= 400, timeout=30, message="its last line")
    assert lines_in(page) == [*range(1, 401)]
    assert numbers(fleet.log_lines(task)) == [*range(1, 401)]


def test_master_killed_while_a_task_runs(fleet: Cluster, visitors: Visitors) -> None:
    task = fleet.run("master-1", "python3", "-c", COUNTER)
    page = visitors.open_live(f"/tasks/{task}/")
    overview = visitors.open_live()
    head, row = page.locator("#task-head"), overview.locator(f"#task-{task}")
    eventually_sync(lambda: line_count(page) > 20, message="its output flows")
    pid = fleet.rows("SELECT pid FROM nodes_attempt WHERE task_id = ?", task)[0][0]

    fleet.processes["master-1"].kill()
    expect(chip_of(overview.locator("#node-master-1"))).to_have_text(re.compile("Suspect|Offline"))
    for scope in (head, row):
        expect(chip_of(scope)).to_have_text("Unknown")
        expect(note_of(scope)).to_have_text(re.compile(r"Running · unknown since \d\d:\d\d:\d\d"))
    # Its Edge is unreachable too.
    expect(chip_of(overview.locator("#node-edge-1"))).to_have_text(re.compile("Suspect|Offline"))
    seen = line_count(page)
    fleet.processes["master-1"].start()

    expect(chip_of(overview.locator("#node-master-1"))).to_have_text("Online")
    expect(chip_of(overview.locator("#node-edge-1"))).to_have_text("Online")
    for scope in (head, row):
        expect(chip_of(scope)).to_have_text("Running")
    eventually_sync(lambda: line_count(page) > seen + 100, timeout=30, message="its output flows again")
    os.kill(pid, 0)
    assert fleet.rows("SELECT pid FROM nodes_attempt WHERE task_id = ?", task) == [(pid,)]
    fleet.control(task, "cancel")
    for scope in (head, row):
        expect(chip_of(scope)).to_have_text("Cancelled")
    stored = fleet.log_lines(task)
    eventually_sync(lambda: line_count(page) >= len(stored), message="its last line")
    assert lines_in(page) == numbers(stored) == [*range(1, len(numbers(stored)) + 1)]
    expect_never_reloaded(page)
