"""The chat panel with a model: the real SDK against a strict fake of the Messages API."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.test_browser_chat import WIDE, last_turn, open_chat, say
from tests.e2e.test_chat import SENTENCE, model, start
from tests.support.browser import Visitors, Windows
from tests.support.cluster import cluster
from tests.support.messages_api import HttpError, Reply, Step, text, tool_use
from tests.support.pages import press, violations_in_every_look

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def cancels_both(tasks: dict[str, str]) -> Callable[[dict[str, Any]], Step]:
    """A fake model: for "both", it proposes to cancel two tasks in one answer."""

    def step(body: dict[str, Any]) -> Step:
        if "both" not in str(body["messages"][-1]["content"]):
            return model(body)
        return Reply([tool_use("cancel_task", {"task": tasks[name]}) for name in ("master-2", "other")])

    return step


def test_steps_answer_and_cost_of_a_model_are_shown(tmp_path: Path, browser: Windows, model_api: Any) -> None:
    tasks: dict[str, str] = {}
    with model_api(cancels_both(tasks)) as api, cluster(tmp_path) as made:
        tasks.update(start(made, api.url))
        with browser.in_use():
            visitors = Visitors(browser, made)
            page = visitors.open_live(viewport=WIDE)
            panel = open_chat(page)
            expect(panel.locator("#chat-engine")).to_be_hidden()
            say(panel, SENTENCE)
            turn = panel.locator(".chat-turn").last
            expect(turn).to_have_attribute("data-state", "done")
            expect(turn.locator(".chat-step")).to_have_count(2)
            expect(turn.locator(".chat-step").first).to_contain_text("List tasks")
            expect(turn.locator(".chat-answer")).to_contain_text("firmware build: paused")
            expect(turn.locator(".chat-cost")).to_contain_text("300 tokens in, 60 out")
            expect(turn.locator(".chat-cost")).to_contain_text("$")
            approve_two_cards(page, panel)
            visitors.leave()
        assert made.task(tasks["master-1"])["state"] == "paused"
        assert made.task(tasks["other"])["state"] == "running"


def approve_two_cards(page: Page, panel: Locator) -> None:
    say(panel, "cancel both")
    for name in ("firmware build", "nightly test"):
        card = panel.get_by_role("region", name=re.compile(f"Approval: Cancel “{name}”"))
        expect(card).to_have_count(1)
        approve = card.get_by_role("button", name="Approve", exact=True)
        expect(approve).to_have_accessible_description(re.compile(f"Cancel “{name}”"))
    assert violations_in_every_look(page) == []


def unreliable_model(tries: dict[str, int]) -> Callable[[dict[str, Any]], Step]:
    """A fake model: at the first try "slowly" hangs and "badly" fails; "dearly" exceeds the daily limit."""

    def step(body: dict[str, Any]) -> Step:
        words = str(body["messages"][-1]["content"])
        asked = next(word for word in ("slowly", "badly", "dearly") if word in words)
        tries[asked] = tries.get(asked, 0) + 1
        if asked == "slowly" and tries[asked] == 1:
            return Reply([text("word " * 2_000)], delay_seconds=0.02)
        if asked == "badly" and tries[asked] == 1:
            return HttpError(400, "invalid_request_error", "not today")
        usage = {"input_tokens": 20_000, "output_tokens": 20} if asked == "dearly" else {}
        return Reply([text(f"said {asked}")], usage={**Reply([]).usage, **usage})

    return step


def test_stop_retry_and_the_daily_limit(tmp_path: Path, browser: Windows, model_api: Any) -> None:
    with model_api(unreliable_model({})) as api, cluster(tmp_path) as fleet:
        limit = {"AGENTFLOW_CHAT_DAILY_LIMIT_USD": "0.02"}
        fleet.start_leader(AGENTFLOW_CHAT_BASE_URL=api.url, AGENTFLOW_CHAT_API_KEY="key-1", **limit)
        with browser.in_use():
            visitors = Visitors(browser, fleet)
            panel = open_chat(visitors.open_live(viewport=WIDE), "*:*")
            stop_and_try_again(panel)
            fail_and_try_again(panel)
            reach_the_limit(panel)
            visitors.leave()


def stop_and_try_again(panel: Locator) -> None:
    say(panel, "speak slowly")
    expect(panel.locator(".is-streaming")).to_contain_text("word word")
    press(panel, "Stop")
    turn = last_turn(panel, "stopped")
    expect(turn).to_contain_text("word word")
    expect(panel.get_by_role("button", name="Stop", exact=True)).to_be_hidden()

    press(turn, "Try again")

    expect(last_turn(panel)).to_contain_text("said slowly")


def fail_and_try_again(panel: Locator) -> None:
    say(panel, "speak badly")
    turn = last_turn(panel, "failed")
    expect(turn.locator(".chat-status")).to_contain_text("Failed")

    press(turn, "Try again")

    expect(last_turn(panel)).to_contain_text("said badly")


def reach_the_limit(panel: Locator) -> None:
    say(panel, "speak dearly")
    expect(last_turn(panel)).to_contain_text("said dearly")

    say(panel, "list nodes")

    expect(panel.locator("#chat-engine")).to_contain_text("Today's spending limit is reached")
    expect(last_turn(panel)).to_contain_text("leader")
