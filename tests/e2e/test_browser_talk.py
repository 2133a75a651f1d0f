"""Conflicts and failures in a conversation, on the page: outdated, expired, or already answered approvals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.e2e.test_browser_chat import WIDE, ask_to_cancel, build, card_of, last_turn, open_chat, say
from tests.support.browser import Visitors
from tests.support.cluster import Cluster
from tests.support.pages import pill_of, press

__all__ = ["build"]  # A fixture.

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_older_conversation_can_be_read_and_closed(visitors: Visitors, build: str) -> None:
    panel = open_chat(visitors.open_live(viewport=WIDE))
    say(panel, "list nodes")
    last_turn(panel)

    press(panel, "New conversation")
    expect(panel.locator(".chat-turn")).to_have_count(0)
    panel.locator("#chat-past summary").click()
    panel.locator("#chat-past-list button").first.click()

    expect(panel.locator(".chat-said")).to_contain_text("list nodes")
    expect(panel.locator("#chat-old")).to_be_visible()
    expect(panel.get_by_label("Message")).to_be_hidden()
    press(panel, "Back")
    expect(panel.locator(".chat-turn")).to_have_count(0)
    expect(panel.get_by_label("Message")).to_be_visible()


def test_card_of_a_task_that_has_changed_does_nothing(fleet: Cluster, visitors: Visitors, build: str) -> None:
    panel = open_chat(visitors.open_live(viewport=WIDE))
    ask_to_cancel(panel, build)
    fleet.control(build, "pause")
    fleet.wait_task(build, "paused")

    # The approval closes as soon as its target changes.
    expect(card_of(panel)).to_contain_text("Not done: its target changed")
    expect(card_of(panel).get_by_role("button", name="Approve")).to_have_count(0)
    assert fleet.task(build)["state"] == "paused"


def test_card_that_has_expired_does_nothing(fleet: Cluster, visitors: Visitors, build: str) -> None:
    panel = open_chat(visitors.open_live(viewport=WIDE))
    card = ask_to_cancel(panel, build)
    # In the Leader's database, ten minutes have passed; nothing has woken the Leader yet.
    fleet.write("UPDATE chat_approval SET expires_at = ? WHERE state = 'waiting'", str(datetime.now(UTC))[:-6])

    press(card, "Approve")

    expect(card_of(panel)).to_contain_text("Expired: no decision in time")
    expect(card_of(panel).get_by_role("button")).to_have_count(0)
    assert fleet.task(build)["state"] == "running"


def test_second_of_two_tabs_sees_that_it_was_answered(fleet: Cluster, visitors: Visitors, build: str) -> None:
    first = open_chat(visitors.open_live(viewport=WIDE))
    page = visitors.context(role="admin", viewport=WIDE).open(fleet.url)
    is_deaf = make_deaf(page)
    second = open_chat(page)
    expect(pill_of(page)).to_have_attribute("data-state", "live")
    card = ask_to_cancel(first, build)
    late = card_of(second)
    expect(late).to_have_attribute("data-state", "waiting")
    is_deaf(True)
    press(card, "Refuse")
    expect(card_of(first)).to_contain_text("Refused · admin")

    press(late, "Approve")

    expect(second.locator("#chat-problem")).to_have_text("Someone has already decided.")
    assert fleet.task(build)["state"] == "running"


def make_deaf(page: Page) -> Callable[[bool], None]:
    """Reloads the page; while deaf, it receives no step of a conversation."""
    deaf = False

    def route(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(server.send)
        server.on_message(lambda message: None if deaf and "CHAT_STEP" in str(message) else socket.send(message))

    def set_deaf(value: bool) -> None:
        nonlocal deaf
        deaf = value

    page.route_web_socket("**/ws/", route)
    page.reload()
    return set_deaf
