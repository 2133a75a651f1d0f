"""The chat panel with the model's engine: over the real SDK, against a strict Messages API."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.test_browser_chat import WIDE, open_chat, say
from tests.e2e.test_chat import SENTENCE, model, start
from tests.support.browser import Visitors, chromium
from tests.support.cluster import cluster
from tests.support.messages_api import MessagesApi

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def converse(folder: Path, url: str) -> None:
    with cluster(folder) as made:
        tasks = start(made, url)
        with chromium() as browser:
            visitors = Visitors(browser, made)
            panel = open_chat(visitors.open_live(viewport=WIDE))
            expect(panel.locator("#chat-engine")).to_be_hidden()
            say(panel, SENTENCE)
            turn = panel.locator(".chat-turn").last
            expect(turn).to_have_attribute("data-state", "done")
            expect(turn.locator(".chat-step")).to_have_count(2)
            expect(turn.locator(".chat-step").first).to_contain_text("Look for tasks")
            expect(turn.locator(".chat-answer")).to_contain_text("firmware build: paused")
            expect(turn.locator(".chat-cost")).to_contain_text("300 tokens in, 60 out")
            expect(turn.locator(".chat-cost")).to_contain_text("$")
            visitors.leave()
        assert made.task(tasks["master-1"])["state"] == "paused"
        assert made.task(tasks["other"])["state"] == "running"


async def test_steps_answer_and_cost_of_a_model_are_shown(tmp_path: Path) -> None:
    async with MessagesApi(model) as api:
        await asyncio.to_thread(converse, tmp_path, api.url)
        assert api.refusals == []
