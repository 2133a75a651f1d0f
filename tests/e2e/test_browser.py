"""Working with tasks in the page, on a real cluster: every change appears without reloading the page."""

from __future__ import annotations

import contextlib
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.programs import ASKS_TWICE, BUSY_TREE, COUNTER, PROMPT, count_to, cpu_ticks, numbers, tree_of
from tests.support.browser import Visitors
from tests.support.cluster import Cluster
from tests.support.eventually import eventually_sync
from tests.support.pages import (
    chip_of,
    expect_never_reloaded,
    log_in,
    log_texts,
    note_of,
    pill_of,
    press,
    progress_of,
    row_of,
    violations,
)

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def name() -> str:
    """A unique task name."""
    return f"task {uuid.uuid4().hex[:8]}"


def open_dialog(page: Page, name: str) -> Locator:
    page.get_by_role("button", name="New task").first.click()
    dialog = page.get_by_role("dialog", name="New task")
    dialog.locator("summary").click()
    dialog.get_by_role("textbox", name="Name", exact=True).fill(name)
    return dialog


def choice(dialog: Locator, label: str) -> Locator:
    return dialog.get_by_role("combobox", name=label, exact=True)


def test_login_link_shows_a_button_and_works_once(fleet: Cluster, visitors: Visitors) -> None:
    link = fleet.login_link()
    first = visitors.context(locale="en", expected=("410 (Gone)",)).open(link)
    expect(first.get_by_role("button", name="Log in")).to_be_visible()

    page = visitors.context(locale="en").open(link)
    log_in(page)
    page.goto(fleet.url)
    expect(page.get_by_role("heading", name="Cluster overview")).to_be_visible()

    # The first page still shows its button; the server refuses it.
    first.get_by_role("button", name="Log in").click()
    expect(first.get_by_role("heading", name="This link has expired")).to_be_visible()
    first.goto(link)
    expect(first.get_by_role("heading", name="This link has expired")).to_be_visible()
    first.goto(fleet.url)
    expect(first).to_have_url(re.compile("/login/"))


def test_named_task_is_started_and_watched_to_its_end(visitors: Visitors, name: str) -> None:
    page = visitors.open_live()
    dialog = open_dialog(page, name)
    choice(dialog, "Node").select_option("master-1")
    choice(dialog, "Project").select_option("demo")
    choice(dialog, "Task").select_option("build")
    expect(dialog.locator("[data-named-hint]")).to_contain_text("Compile forty modules")

    press(dialog, "Run")

    row = row_of(page, name)
    expect(chip_of(row)).to_have_text("Running")
    expect(note_of(row)).to_have_text(re.compile(r"module \d+ of 40"))
    before = eventually_sync(lambda: progress_of(row))
    eventually_sync(lambda: progress_of(row) > before, message="progress moves")
    expect(page.locator("#log")).to_contain_text("compiled module 30")
    expect(chip_of(row)).to_have_text("Done")
    assert progress_of(row) == 1
    expect(page.locator("#log")).to_contain_text("build finished")
    expect_never_reloaded(page)


def test_tree_is_paused_resumed_and_cancelled_from_the_page(fleet: Cluster, visitors: Visitors, name: str) -> None:
    page = visitors.open_live()
    task = fleet.run("master-2", "python3", "-c", BUSY_TREE, name=name)
    row = row_of(page, name)
    expect(chip_of(row)).to_have_text("Running")
    tree = tree_of(fleet, task)

    press(row, "Pause")
    expect(chip_of(row)).to_have_text("Paused")
    before = [cpu_ticks(pid) for pid in tree]
    # Only a real wait shows that nothing runs. A running process would use 20 ticks in it.
    with contextlib.suppress(AssertionError):
        eventually_sync(lambda: [cpu_ticks(pid) for pid in tree] != before, timeout=0.2)
    if [cpu_ticks(pid) for pid in tree] != before:
        expect(note_of(row)).to_contain_text("Partly paused")

    press(row, "Resume")
    expect(chip_of(row)).to_have_text("Running")
    assert eventually_sync(lambda: all(cpu_ticks(pid) > old for pid, old in zip(tree, before, strict=True)))

    press(row, "Cancel")
    press(page.get_by_role("dialog", name=f"Cancel “{name}”?"), "Cancel the task")
    expect(chip_of(row)).to_have_text("Cancelled")
    assert eventually_sync(lambda: not any(Path(f"/proc/{pid}").exists() for pid in tree))
    expect_never_reloaded(page)


def test_task_keeps_running_when_the_cancel_dialog_is_declined(fleet: Cluster, visitors: Visitors, name: str) -> None:
    page = visitors.open_live()
    task = fleet.run("master-1", "python3", "-c", COUNTER, name=name)
    row = row_of(page, name)

    press(row, "Cancel")
    press(page.get_by_role("dialog", name=f"Cancel “{name}”?"), "Keep it running")

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(chip_of(row)).to_have_text("Running")
    assert fleet.rows("SELECT kind FROM nodes_command WHERE task_id = ? AND kind = 'cancel'", task) == []
    fleet.control(task, "cancel")
    expect(chip_of(row)).to_have_text("Cancelled")


def test_prompt_is_shown_and_answered_in_the_page(fleet: Cluster, visitors: Visitors) -> None:
    task = fleet.run("edge-1", "python3", "-c", PROMPT)
    page = visitors.open_live(f"/tasks/{task}/")
    expect(page.locator("#log")).to_contain_text("Your name?")

    answer = page.locator("#answer-form")
    answer.get_by_role("textbox").fill("Ada")
    press(answer, "Send")

    expect(page.locator("#log")).to_contain_text("hello Ada")
    expect(chip_of(page.locator("#task-head"))).to_have_text("Done")
    expect(answer).to_be_hidden()
    assert "hello Ada" in "".join(log_texts(page))
    expect_never_reloaded(page)


def test_answer_dialog_shows_the_question(fleet: Cluster, visitors: Visitors, name: str) -> None:
    task = fleet.run("edge-1", "python3", "-c", ASKS_TWICE, name=name)
    page = visitors.open_live("/tasks/", reduced_motion="reduce")
    press(row_of(page, name), "Answer")
    dialog = page.get_by_role("dialog", name=f"Answer “{name}”")
    asked = dialog.locator("#answer-lines strong")
    expect(asked).to_have_text("Delete 3 files? [y/N]")
    line = dialog.get_by_role("textbox", name="Line for standard input")
    expect(line).to_be_focused()
    # Nothing overflows the dialog or touches its edge.
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        outer = dialog.bounding_box()
        assert outer
        for part in (line, dialog.locator("#answer-lines"), dialog.locator(".check")):
            inner = part.bounding_box()
            assert inner
            assert inner["x"] >= outer["x"] + 12
            assert inner["x"] + inner["width"] <= outer["x"] + outer["width"] - 12
    assert violations(page) == []

    # Someone else answers meanwhile: the dialog shows the current question.
    fleet.control(task, "input", input="n\n")
    expect(asked).to_have_text("Really? [y/N]")
    press(dialog, "Send")
    expect(chip_of(row_of(page, name))).to_have_text("Done")
    assert fleet.log_lines(task)[-1].endswith("got ''")

    task = fleet.run("edge-1", "python3", "-c", ASKS_TWICE, name=f"{name} again")
    press(row_of(page, f"{name} again"), "Answer")
    dialog = page.get_by_role("dialog", name=f"Answer “{name} again”")
    fleet.control(task, "cancel")
    expect(dialog.get_by_role("alert")).to_have_text("It does not accept input: Cancelled.")
    expect(dialog.get_by_role("button", name="Send")).to_be_disabled()


def test_page_follows_to_the_next_attempt(fleet: Cluster, visitors: Visitors, name: str) -> None:
    task = fleet.run("master-1", "python3", "-c", count_to(30), name=name)
    fleet.wait_task(task, "failed")
    page = visitors.open_live(f"/tasks/{task}/?attempt=1")
    attempts = page.get_by_role("navigation", name="Attempts").get_by_role("link")
    expect(page).to_have_title(f"{name} · AgentFlow")
    expect(page.locator("#log-count")).to_have_text("30 lines")

    press(page.locator("#task-head"), "Retry")

    expect(page).to_have_title(f"{name} #2 · AgentFlow")
    expect(page).to_have_url(re.compile(f"/tasks/{task}/$"))
    expect(attempts).to_have_text([re.compile("#2"), re.compile("#1.*Failed.*master-1")])
    expect(attempts.first).to_have_attribute("aria-current", "page")
    expect(attempts.first).to_contain_text("Failed")
    expect(attempts.first).to_contain_text("master-1")
    expect(page.locator("#log-attempt")).to_have_text("#2")
    expect(page.locator("#log-count")).to_have_text("30 lines")
    assert numbers(log_texts(page)) == [*range(1, 31)]
    expect(page.get_by_role("link", name="Download the full log")).to_have_attribute("href", re.compile("attempt=2$"))

    # The page of an older attempt stays there, and a notice names the new one, whoever starts it.
    attempts.last.click()
    expect(page).to_have_title(f"{name} #1 · AgentFlow")
    expect(page.locator("#newer-attempt")).to_contain_text("This is attempt #1; the newest is #2.")
    expect(pill_of(page)).to_have_attribute("data-state", "live")
    fleet.control(task, "retry")
    expect(page.locator("#newer-attempt")).to_contain_text("This is attempt #1; the newest is #3.")
    expect(attempts).to_have_count(3)
    expect(page.locator("#newer-attempt .chip-label")).to_have_text("Failed")
    assert numbers(log_texts(page)) == [*range(1, 31)]
    page.get_by_role("link", name="Go to attempt #3").click()
    expect(page).to_have_title(f"{name} #3 · AgentFlow")
    expect(page.locator("#newer-attempt")).to_be_hidden()


def test_work_log_updates_live(fleet: Cluster, visitors: Visitors, name: str) -> None:
    page = visitors.open_live("/history/")
    task = fleet.run("master-1", "python3", "-c", COUNTER, name=name)
    page.get_by_role("status").get_by_role("link", name="Reload").click()
    row = page.locator(f'#work-log tr[data-task="{task}"]')
    expect(chip_of(row)).to_have_text("Running")
    before = row.locator('[data-field="elapsed"]').inner_text()
    expect(row.locator('[data-field="elapsed"]')).not_to_have_text(before)

    fleet.control(task, "cancel")

    expect(chip_of(row)).to_have_text("Cancelled")
    expect(row.locator('[data-field="exitCode"]')).not_to_have_text("–")


def test_filter_finds_lines_that_the_page_has_not_loaded(fleet: Cluster, visitors: Visitors) -> None:
    program = "for number in range(1, 5001): print('line', number, 'needle' if number == 38 else '')"
    task = fleet.run("master-2", "python3", "-c", program)
    fleet.wait_task(task, "succeeded")
    page = visitors.open_live(f"/tasks/{task}/")
    count, searched, text = page.locator("#log-count"), page.locator("#log-searched"), page.locator("#log-text")
    expect(count).to_have_text("newest 2,000 of 5,000 lines")

    text.fill("needle")
    expect(count).to_have_text("1 of 5,000 lines")
    assert log_texts(page) == ["line 38 needle"]

    # Many matches arrive in pieces, with the progress of the search.
    text.fill("line")
    expect(searched).to_have_text("Searched 2,500 of 5,000 lines.")
    expect(count).to_have_text("2,500 matches")
    press(page, "Search older lines")
    expect(searched).to_have_text("Searched 3,000 of 5,000 lines.")
    text.fill("nothing like it")
    expect(count).to_have_text("0 of 5,000 lines")
    expect(page.locator("#log-empty")).to_have_text("No lines match the filter.")

    # Levels filter too.
    text.fill("")
    expect(count).to_have_text("newest 2,000 of 5,000 lines")
    page.get_by_text("INFO", exact=True).first.click()
    expect(count).to_have_text("0 of 5,000 lines")

    for path, held in (("/logs/?node=master-2", "newest 2,000 lines"), ("/", "newest 300 lines")):
        live = visitors.open_live(path)
        expect(live.locator("#log-count")).to_have_text(held)
        live.locator("#log-text").fill("needle")
        expect(live.locator("#log-count")).to_have_text("1 match")
        expect(live.locator("#log-searched")).to_have_text("Searched all stored lines.")
        assert log_texts(live) == ["line 38 needle"]
        assert violations(live) == []


def test_admin_runs_a_free_command(visitors: Visitors, name: str) -> None:
    page = visitors.open_live()
    dialog = open_dialog(page, name)
    dialog.get_by_text("Command", exact=True).first.click()
    choice(dialog, "Node").select_option("edge-1")
    dialog.locator("[name=command]").fill("python3 -c 'print(6 * 7, \"is the answer\")'")

    press(dialog, "Run")

    expect(chip_of(row_of(page, name))).to_have_text("Done")
    expect(page.locator("#log")).to_contain_text("42 is the answer")


def test_operator_is_offered_named_tasks_only(visitors: Visitors) -> None:
    page = visitors.open_live(role="operator")

    page.get_by_role("button", name="New task").first.click()

    dialog = page.get_by_role("dialog", name="New task")
    expect(choice(dialog, "Task")).to_be_visible()
    expect(dialog.locator("[name=command]")).to_have_count(0)


ASK_TO_CANCEL = """async (task) => {
  const { ticket } = await (await fetch("/live-ticket", { headers: { Accept: "application/json" } })).json();
  const socket = new WebSocket(`ws://${location.host}/ws/`);
  socket.onopen = () => socket.send(JSON.stringify({ type: "AUTH", token: ticket }));
  const answer = await new Promise((done) => {
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      const control = { type: "CONTROL", ref: "mine", task, action: "cancel" };
      if (message.type === "AUTH_OK") socket.send(JSON.stringify(control));
      if (message.ref === "mine") done(message);
    };
  });
  socket.close();
  return answer;
}"""


def test_viewer_sees_no_controls_and_the_server_refuses_them(fleet: Cluster, visitors: Visitors, name: str) -> None:
    task = fleet.run("master-2", "python3", "-c", COUNTER, name=name)
    page = visitors.open_live(role="viewer")
    row = row_of(page, name)
    expect(chip_of(row)).to_have_text("Running")
    expect(page.get_by_role("button", name="New task")).to_have_count(0)
    expect(row.get_by_role("button")).to_have_count(0)

    answer: dict[str, Any] = page.evaluate(ASK_TO_CANCEL, task)

    assert (answer["type"], answer["code"]) == ("ERROR", "forbidden")
    assert fleet.task(task)["state"] == "running"
    fleet.control(task, "cancel")
    expect(chip_of(row)).to_have_text("Cancelled")


def test_page_is_pushed_and_never_polls(fleet: Cluster, visitors: Visitors, name: str) -> None:
    page = visitors.context(role="admin").open(fleet.url)
    expect(pill_of(page)).to_have_attribute("data-state", "live")
    page.evaluate("window.wasNeverReloaded = true")
    page.wait_for_load_state("networkidle")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.context.route("**/*", lambda route: route.abort())

    fleet.api("POST", "tasks/", {"node": "edge-1", "project": "demo", "namedTask": "build", "name": name})

    row = row_of(page, name)
    expect(chip_of(row)).to_have_text("Running")
    before = eventually_sync(lambda: progress_of(row))
    eventually_sync(lambda: progress_of(row) > before, message="progress moves")
    expect(page.locator("#log")).to_contain_text("build finished")
    expect(chip_of(row)).to_have_text("Done")
    assert requests == []
