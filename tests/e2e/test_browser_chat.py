"""The chat panel on a real Leader: sentences take effect, approvals are requested, all tabs show the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.support.browser import Visitors
from tests.support.cluster import Cluster
from tests.support.eventually import eventually_sync
from tests.support.pages import chip_of, expect_never_reloaded, pill_of, press, violations, violations_in_every_look

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SENTENCE = "暂停 Master-1 的编译任务"
CONTEXT = "*:master-1"
WIDE = {"width": 1500, "height": 950}
ASKS = "print('went on' if input('Deploy now? [y/N] ') == 'y' else 'left', flush=True); import time; time.sleep(600)"


@pytest.fixture
def build(fleet: Cluster) -> Iterator[str]:
    task = fleet.run("master-1", "sleep", "600", name="firmware build")
    fleet.wait_task(task, "running")
    yield task
    if fleet.task(task)["state"] not in ("cancelled", "failed"):
        fleet.control(task, "cancel")
    fleet.wait_task(task, "cancelled")
    new_conversation(fleet)


def new_conversation(fleet: Cluster) -> None:
    found = fleet.api("POST", "chat/conversations/", {"context": CONTEXT})
    for turn in found["turns"]:
        if turn["state"] in ("queued", "running", "waiting"):
            fleet.api("POST", f"chat/turns/{turn['id']}/stop/", {})
    fleet.api("POST", "chat/conversations/", {"context": CONTEXT, "fresh": True})


def open_chat(page: Page, context: str = CONTEXT) -> Locator:
    panel = page.locator("#chat")
    if not panel.is_visible():
        page.locator("#chat-toggle").click()
    if panel.get_by_role("combobox").input_value() != context:
        panel.get_by_role("combobox").fill(context)
        panel.get_by_role("option", name=context, exact=False).first.click()
    expect(panel.get_by_role("combobox")).to_have_value(context)
    return panel


def say(panel: Locator, text: str) -> None:
    message = panel.get_by_label("Message")
    message.fill(text)
    message.press("Enter")
    expect(message).to_have_value("")


def card_of(panel: Locator) -> Locator:
    return panel.locator(".approval").last


def last_turn(panel: Locator, state: str = "done") -> Locator:
    turn = panel.locator(".chat-turn").last
    expect(turn).to_have_attribute("data-state", state)
    return turn


def ask_to_cancel(panel: Locator, task: str) -> Locator:
    say(panel, f"cancel {task}")
    card = card_of(panel)
    expect(card).to_have_attribute("data-state", "waiting")
    return card


def test_typed_sentence_pauses_exactly_that_task(fleet: Cluster, visitors: Visitors, build: str) -> None:
    other = fleet.run("master-1", "sleep", "600", name="nightly test")
    fleet.wait_task(other, "running")
    page = visitors.open_live(viewport=WIDE)
    panel = open_chat(page)
    expect(panel.locator("#chat-engine")).to_contain_text("No Claude API key is set")

    say(panel, SENTENCE)

    turn = panel.locator(".chat-turn").last
    expect(turn).to_have_attribute("data-state", "done")
    expect(turn.locator(".chat-answer")).to_contain_text("firmware build")
    expect(turn.locator(".chat-step")).to_contain_text("firmware build")
    assert fleet.task(build)["state"] == "paused"
    assert fleet.task(other)["state"] == "running"
    expect(chip_of(page.locator(f"#task-{build}"))).to_have_text("Paused")
    expect_never_reloaded(page)
    fleet.control(other, "cancel")
    fleet.wait_task(other, "cancelled")


def test_destructive_request_waits_for_an_approval_that_everyone_sees(
    fleet: Cluster, visitors: Visitors, build: str
) -> None:
    mine = open_chat(visitors.open_live(viewport=WIDE))
    theirs = open_chat(visitors.open_live("/tasks/", role="operator", viewport=WIDE))
    readers = open_chat(visitors.open_live(role="viewer", viewport=WIDE))

    card = ask_to_cancel(mine, build)
    expect(card).to_contain_text("firmware build")
    expect(card).to_contain_text("cannot be undone")
    expect(card).to_contain_text("expires in 9:")
    expect(card_of(readers)).to_have_attribute("data-state", "waiting")
    expect(readers.get_by_role("button", name="Approve")).to_have_count(0)
    expect(readers.get_by_label("Message")).to_have_count(0)
    press(card_of(theirs), "Refuse")

    for panel in (mine, theirs, readers):
        expect(card_of(panel)).to_contain_text("Refused · operator")
    assert fleet.task(build)["state"] == "running"

    press(ask_to_cancel(mine, build), "Approve")

    for panel in (mine, theirs, readers):
        expect(card_of(panel)).to_contain_text("Approved · admin")
        expect(panel.locator(".chat-turn").last).to_have_attribute("data-state", "done")
    fleet.wait_task(build, "cancelled")


def test_approval_and_open_panel_survive_a_reload(fleet: Cluster, visitors: Visitors, build: str) -> None:
    page = visitors.open_live(viewport=WIDE)
    ask_to_cancel(open_chat(page), build)

    page.reload()

    panel = page.locator("#chat")
    expect(panel).to_be_visible()
    expect(panel.get_by_role("combobox")).to_have_value("*:master-1")
    expect(card_of(panel)).to_have_attribute("data-state", "waiting")
    page.goto(page.url + "history/")
    press(card_of(panel), "Refuse")
    expect(card_of(panel)).to_contain_text("Refused · admin")
    assert fleet.task(build)["state"] == "running"


def test_conversation_continues_after_a_disconnect(visitors: Visitors, build: str) -> None:
    page = visitors.open_live(viewport=WIDE, expected=("ERR_INTERNET_DISCONNECTED",))
    other = open_chat(visitors.open_live(viewport=WIDE))
    panel = open_chat(page)
    say(other, "list tasks")
    expect(panel.locator(".chat-turn")).to_have_count(1)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")

    say(other, "list nodes")
    expect(other.locator(".chat-turn").last).to_have_attribute("data-state", "done")
    expect(other.locator(".chat-turn")).to_have_count(2)
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")

    expect(panel.locator(".chat-turn")).to_have_count(2)
    expect(panel.locator(".chat-turn").last).to_have_attribute("data-state", "done")
    expect_never_reloaded(page)


def test_closed_panel_notifies_of_an_approval(visitors: Visitors, build: str) -> None:
    page = visitors.open_live("/nodes/", viewport=WIDE)
    ask_to_cancel(open_chat(visitors.open_live(viewport=WIDE)), build)

    page.locator(".toast-card").filter(has_text="Waiting for your approval").get_by_role("link").click()

    expect(card_of(page.locator("#chat"))).to_have_attribute("data-state", "waiting")
    press(card_of(page.locator("#chat")), "Refuse")
    expect(card_of(page.locator("#chat"))).to_contain_text("Refused")


def test_question_about_a_task_chooses_its_context(visitors: Visitors, build: str) -> None:
    page = visitors.open_live(f"/tasks/{build}/", viewport=WIDE)

    page.get_by_role("button", name="Ask about this").click()

    expect(page.locator("#chat-context")).to_have_value("*:master-1")
    expect(page.get_by_label("Message")).to_have_value(f"Task “firmware build” ({build}): ")
    expect(page.get_by_label("Message")).to_be_focused()


def test_composing_sends_nothing_and_keys_work(visitors: Visitors, build: str) -> None:
    page = visitors.open_live(viewport=WIDE)
    page.keyboard.press("c")
    panel = page.locator("#chat")
    message = panel.get_by_label("Message")
    expect(message).to_be_focused()
    box = panel.get_by_role("combobox")
    box.fill("edge")
    expect(panel.get_by_role("option").first).to_contain_text("edge-1")
    box.press("Enter")
    expect(box).to_have_value("*:edge-1")
    send = panel.get_by_role("button", name="Send")
    expect(send).to_be_disabled()

    message.fill("暂停")
    message.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True})
    message.press("Shift+Enter")
    expect(message).to_have_value("暂停\n")
    expect(panel.locator(".chat-turn", has_text="暂停")).to_have_count(0)
    message.fill("x" * 32_001)
    expect(panel.locator("#chat-form .form-error")).to_contain_text("at most 32,000 characters")
    expect(send).to_be_disabled()
    expect(message).to_have_value("x" * 32_001)
    message.press("Escape")
    expect(panel).to_be_hidden()
    expect(page.locator("#chat-toggle")).to_be_focused()


def test_text_too_large_for_a_frame_is_still_sent(fleet: Cluster, visitors: Visitors, build: str) -> None:
    panel = open_chat(visitors.open_live(viewport=WIDE))
    longest = "字" * 31_999 + "完"

    say(panel, longest)

    turn = panel.locator(".chat-turn").last
    expect(turn).to_have_attribute("data-state", "done")
    expect(turn.locator(".chat-said .chat-text")).to_have_text(longest)
    assert fleet.task(build)["state"] == "running"


def test_evidence_of_an_alert_is_read_and_acknowledged_beside_the_page(fleet: Cluster, visitors: Visitors) -> None:
    page = visitors.open_live("/", viewport=WIDE, expected=("503 (Service Unavailable)",))
    reader = visitors.open_live("/", role="viewer", viewport=WIDE)
    task = fleet.run("master-1", "python3", "-c", ASKS, name="deploy <b>")
    item = page.locator(".alert-item").filter(has_text="waiting for input")

    page.route("**/alerts/*/", lambda route: route.fulfill(status=503, json={}))
    press(item, "Evidence")

    sheet = page.get_by_role("dialog")
    expect(sheet).not_to_contain_text("Loading")
    page.unroute("**/alerts/*/")
    press(sheet, "Try again")
    expect(sheet.get_by_role("heading", name="Evidence: deploy <b>")).to_be_visible()
    expect(sheet.locator('[data-kind="lines"]')).to_contain_text("Deploy now? [y/N]")
    processes = sheet.locator('[data-kind="processes"] tbody tr').filter(has_text="Deploy now?")
    expect(processes.locator("td").nth(2)).to_have_text("sleeping")
    expect(processes.locator("td").nth(3)).to_contain_text("pipe_read")
    expect(sheet.locator('[data-kind="metrics"] tbody tr').last).to_contain_text("last seen")
    assert violations(page) == []
    press(sheet, "Acknowledge")

    expect(sheet).to_contain_text("Acknowledged by admin")
    expect(sheet.get_by_role("button", name="Acknowledge")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(item).to_contain_text("Acknowledged by admin")
    press(reader.locator(".alert-item").filter(has_text="waiting for input"), "Evidence")
    expect(reader.get_by_role("dialog")).to_contain_text("Acknowledged by admin")
    expect(reader.get_by_role("dialog").get_by_role("button", name="Acknowledge")).to_have_count(0)
    page.goto(f"{fleet.url}/tasks/{task}/")
    press(page.locator("#task-head"), "Evidence")
    expect(page.get_by_role("dialog")).to_contain_text("Deploy now? [y/N]")
    fleet.control(task, "cancel")
    fleet.wait_task(task, "cancelled")
    expect(reader.get_by_role("dialog")).to_contain_text("Resolved")
    expect(page.locator("#task-head").get_by_role("button", name="Evidence")).to_be_hidden()
    new_conversation(fleet)


def test_outdated_actions_are_disabled_at_once(fleet: Cluster, visitors: Visitors) -> None:
    page = visitors.open_live(viewport=WIDE)
    task = fleet.run("master-1", "python3", "-c", ASKS, name="deploy")
    eventually_sync(lambda: stall_turn(fleet, task), 60.0, message="it is analysed")
    panel = open_chat(page)
    fix = panel.locator('[data-fix="1"]')
    expect(fix).to_be_enabled()
    card = ask_to_cancel(panel, task)
    elsewhere = open_chat(visitors.open_live("/memory/", viewport=WIDE))
    expect(elsewhere.locator('[data-fix="1"]')).to_be_enabled()

    fleet.control(task, "cancel")

    expect(card).to_have_attribute("data-state", "stale")
    expect(card).to_contain_text("its target changed")
    expect(card.get_by_role("button")).to_have_count(0)
    ended = "No longer possible: the task has ended (Cancelled)."
    expect(fix).to_be_disabled()
    expect(fix).to_have_accessible_description(re.compile(re.escape(ended)))
    expect(panel.locator(".analysis-fix").first).to_contain_text(ended)
    expect(elsewhere.locator('[data-fix="1"]')).to_be_disabled()
    expect(elsewhere.locator(".analysis-fix").first).to_contain_text("the task has moved on")
    page.reload()
    expect(fix).to_be_disabled()
    expect(panel.locator(".analysis-fix").first).to_contain_text(ended)
    assert violations_in_every_look(page) == []
    new_conversation(fleet)


def test_empty_state_is_shown_only_for_an_empty_conversation(visitors: Visitors, build: str) -> None:
    page = visitors.open_live(viewport=WIDE, expected=("503 (Service Unavailable)",))
    empty, failed = page.locator("#chat-empty"), page.locator("#chat-failed")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/chat/conversations/?*", hold)

    panel = open_chat(page, "*:edge-1")
    expect(panel.locator("#chat-loading")).to_be_visible()
    expect(empty).to_be_hidden()
    eventually_sync(lambda: held)
    held[-1].fulfill(status=503, json={})
    expect(failed).to_contain_text("The conversation could not be loaded.")
    expect(panel.locator("#chat-loading")).to_be_hidden()
    expect(empty).to_be_hidden()
    page.unroute("**/chat/conversations/?*")
    press(failed, "Try again")

    expect(empty).to_contain_text("No messages yet")
    expect(failed).to_be_hidden()
    expect(panel.locator("#chat-log")).to_be_focused()


def test_deleted_context_accepts_no_message(visitors: Visitors, build: str) -> None:
    page = visitors.open_live(viewport=WIDE)
    page.evaluate("localStorage.setItem('agentflow.chat.context', 'shop:away')")
    page.reload()

    page.locator("#chat-toggle").click()

    panel = page.locator("#chat")
    expect(panel.locator("#chat-gone")).to_have_text("This project or node no longer exists.")
    expect(panel.get_by_label("Message")).to_be_hidden()
    expect(panel.get_by_role("button", name="New conversation")).to_be_disabled()
    open_chat(page)
    expect(panel.get_by_label("Message")).to_be_visible()
    expect(panel.locator("#chat-gone")).to_be_hidden()


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_panel_is_accessible(visitors: Visitors, build: str, locale: str) -> None:
    page = visitors.open_live(viewport=WIDE, locale=locale)
    panel = open_chat(page)
    message = panel.locator("textarea")
    message.fill(f"cancel {build}")
    message.press("Enter")
    expect(card_of(panel)).to_have_attribute("data-state", "waiting")
    expect(pill_of(page)).to_have_attribute("data-state", "live")
    panel.get_by_role("combobox").click()
    expect(panel.get_by_role("option").first).to_be_visible()

    assert violations_in_every_look(page) == []


def test_phone_shows_the_chat_as_a_sheet(visitors: Visitors, build: str) -> None:
    phone = {"width": 390, "height": 844}
    page = visitors.open_live(viewport=phone, has_touch=True)
    panel = open_chat(page)
    say(panel, "list nodes")
    expect(panel.locator(".chat-turn").last).to_have_attribute("data-state", "done")

    assert page.evaluate("document.documentElement.scrollWidth") <= phone["width"]
    box = panel.bounding_box()
    assert box is not None
    assert box["width"] == phone["width"]
    page.reload()
    expect(panel).to_be_hidden()


def stall_turn(fleet: Cluster, task: str) -> dict[str, Any] | None:
    turns = fleet.api("POST", "chat/conversations/", {"context": CONTEXT})["turns"]
    return next((turn for turn in turns if (turn["analysis"] or {}).get("task") == task), None)


def test_waiting_task_is_analysed_with_an_answer_to_approve(fleet: Cluster, visitors: Visitors) -> None:
    page = visitors.open_live("/nodes/", viewport=WIDE)
    task = fleet.run("master-1", "python3", "-c", ASKS, name="deploy")
    stalled = eventually_sync(lambda: stall_turn(fleet, task), 60.0, message="it is analysed")
    assert [fix["arguments"].get("text") for fix in stalled["analysis"]["fixes"]] == ["n", "y", None]
    fleet.api("POST", f"chat/turns/{stalled['id']}/fixes/2/", {})

    page.locator(".toast-card").filter(has_text="Waiting for your approval").get_by_role("link").click()
    panel = page.locator("#chat")
    turn = panel.locator(".chat-turn").last
    expect(panel.locator(".chat-said").first).to_contain_text("AgentFlow noticed")
    expect(panel.locator(".chat-said").first).to_contain_text("Waiting for you: what is the cause")
    press(card_of(panel), "Approve")

    expect(card_of(panel)).to_contain_text("Approved · admin")
    expect(turn).to_have_attribute("data-state", "done")
    eventually_sync(lambda: "went on" in "".join(fleet.log_lines(task)), message="its output goes on")
    fleet.control(task, "cancel")
    fleet.wait_task(task, "cancelled")
    new_conversation(fleet)
