"""The state of a command is shown beside its task, to everyone, from the click to the end; also after a reload."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.programs import COUNTER
from tests.support.browser import Visitors
from tests.support.cluster import Cluster
from tests.support.eventually import eventually_sync
from tests.support.pages import chip_of, press

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def frozen(fleet: Cluster) -> Iterator[Cluster]:
    """A cluster whose master-2 the test stops with SIGSTOP; it always continues afterwards."""
    yield fleet
    fleet.processes["master-2"].signal(signal.SIGCONT)
    fleet.wait_online("master-2")


def request_of(scope: Locator) -> Locator:
    return scope.locator('[data-field="request"]')


def has_ended(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


def cancel(page: Page, scope: Locator) -> None:
    press(scope, "Cancel")
    page.get_by_role("dialog").get_by_role("button", name="Cancel the task").click()


def test_command_is_shown_to_everyone_until_it_is_done(frozen: Cluster, visitors: Visitors) -> None:
    task = frozen.run("master-2", "python3", "-c", COUNTER, name="held up")
    mine = visitors.open_live()
    row = mine.locator(f"#task-{task}")
    theirs = visitors.open_live(f"/tasks/{task}/", role="viewer", locale="zh-CN")
    expect(chip_of(row)).to_have_text("Running")
    frozen.processes["master-2"].signal(signal.SIGSTOP)

    cancel(mine, row)

    expect(request_of(row)).to_have_text("Cancel: sent · admin")
    expect(request_of(theirs.locator("#task-head"))).to_have_text("取消: 已发送 · admin")
    first = theirs.locator("#command-rows tr").first
    expect(first.locator('[data-field="what"]')).to_have_text("取消")
    expect(first.locator('[data-field="actor"]')).to_have_text("admin")
    expect(first.locator('[data-field="asked"]')).to_have_text(re.compile(r"\d\d:\d\d"))
    # A page opened now shows it too, with and without scripts.
    mine.reload()
    expect(request_of(row)).to_have_text("Cancel: sent · admin")
    plain = visitors.open("/tasks/", java_script_enabled=False)
    expect(request_of(plain.locator(f"#task-{task}"))).to_have_text("Cancel: sent · admin")

    frozen.processes["master-2"].signal(signal.SIGCONT)
    expect(request_of(row)).to_have_text("Cancel: done · admin")
    expect(first.locator('[data-field="commandState"]')).to_have_text("已完成")
    expect(chip_of(row)).to_have_text("Cancelled")
    # The row shows a completed command only briefly; the list on the task's page keeps it.
    expect(request_of(row)).to_be_hidden()
    expect(theirs.locator("#command-rows tr")).to_have_count(2)


def test_command_that_was_too_late_says_why(frozen: Cluster, visitors: Visitors) -> None:
    task = frozen.run("master-2", "python3", "-c", "import time; time.sleep(4)", name="short")
    page = visitors.open_live(f"/tasks/{task}/")
    head = page.locator("#task-head")
    expect(chip_of(head)).to_have_text("Running")
    frozen.processes["master-2"].signal(signal.SIGSTOP)

    cancel(page, head)
    expect(request_of(head)).to_have_text("Cancel: sent · admin")
    pid = next(pid for (pid,) in frozen.rows("SELECT pid FROM nodes_attempt WHERE task_id = ?", task))
    eventually_sync(lambda: has_ended(pid), timeout=20, message="the task ends by itself")
    frozen.processes["master-2"].signal(signal.SIGCONT)

    expect(request_of(head)).to_have_text("Cancel: failed · The task has already ended. · admin")
    first = page.locator("#command-rows tr").first
    expect(first.locator('[data-field="reason"]')).to_have_text("The task has already ended.")
    page.reload()
    expect(request_of(head)).to_have_text("Cancel: failed · The task has already ended. · admin")
    expect(chip_of(head)).to_have_text("Done")
