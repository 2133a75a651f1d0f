"""A task that waits for a person, from its notification to the remembered fix: in a real browser, with both engines."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.e2e import test_chat
from tests.e2e.test_browser_chat import ASKS, SENTENCE, WIDE, open_chat, say
from tests.support.browser import Visitors, Windows
from tests.support.cluster import Cluster, cluster
from tests.support.messages_api import MessagesApi, Reply, Step, text
from tests.support.pages import chip_of, expect_never_reloaded, press, violations

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CAUSE = "It asks whether to deploy."


def model(body: dict[str, Any]) -> Step:
    """A fake model: analyses the waiting task, and carries out the typed sentence."""
    question = body["messages"][-1]["content"]
    words = question if isinstance(question, str) else str(question[-1].get("text", ""))
    if '"possible"' not in words:
        return test_chat.model(body)
    asked = json.loads(words[words.index("{") :])
    lines = next(piece for piece in asked["evidence"] if piece["kind"] == "lines")
    finding = {
        "cause": CAUSE,
        "confidence": "high",
        "evidence": [{"id": lines["id"], "quote": "Deploy now? [y/N]"}],
        "fixes": [{"action": "input", "text": "y", "why": "The prompt offers it."}],
    }
    return Reply([text(json.dumps(finding))])


@pytest.mark.parametrize("engine", ["offline", "claude"])
def test_from_a_waiting_task_to_the_remembered_fix(
    tmp_path: Path, browser: Windows, model_api: Any, engine: str
) -> None:
    with model_api(model) as api, cluster(tmp_path) as fleet:
        env = {"AGENTFLOW_CHAT_BASE_URL": api.url, "AGENTFLOW_CHAT_API_KEY": "key-1"} if engine == "claude" else {}
        fleet.start_leader(**env)
        fleet.start_agent("master", "master-1")
        fleet.wait_online("master-1")
        with browser.in_use():
            visitors = Visitors(browser, fleet)
            page = visitors.open_live(viewport=WIDE)
            chinese = visitors.open_live(viewport=WIDE, locale="zh-CN")
            answer_the_question(fleet, page, chinese, by_model=bool(env))
            pause_by_a_sentence(fleet, page)
            expect_never_reloaded(page)
            read_remembered_fix(fleet, page, api if env else None)
            visitors.leave()


def answer_the_question(fleet: Cluster, page: Page, chinese: Page, *, by_model: bool) -> None:
    fleet.run("master-1", "python3", "-c", ASKS, name="deploy")
    notice = page.locator(".toast-card").filter(has_text="deploy: the analysis is ready")
    expect(notice).to_be_visible()
    expect(page.locator(".toast-card")).to_have_count(1)
    notice.get_by_role("link").click()
    panel = page.locator("#chat")
    card = panel.locator(".analysis")
    expect(card.locator("blockquote")).to_have_text("Deploy now? [y/N]")
    expect(card).to_contain_text(CAUSE if by_model else "waits for yes or no")
    assert violations(page) == []
    read_in_chinese(chinese, by_model=by_model)

    card.get_by_role("button", name="Answer “y”").click()
    approval = panel.locator('.approval[data-state="waiting"]')
    expect(approval).to_contain_text("deploy")
    expect(approval).to_be_focused()
    expect(chinese.locator("#chat .approval-what")).to_contain_text("输入“y”")
    press(approval, "Approve")

    expect(panel.locator(".chat-turn").last.locator(".chat-said")).to_contain_text("Answer “y”")
    expect(page.locator("#log")).to_contain_text("went on")
    expect(card.locator('[data-verdict="helped"]')).to_contain_text("It helped", timeout=60_000)
    # Fixes that were not chosen are no longer offered.
    expect(card.locator(".analysis-fix")).to_have_count(1)
    expect(card.locator('.analysis-fix[data-state="done"]')).to_contain_text("Answer “y”")
    expect(card.locator("[data-verdict]")).to_contain_text("that helped")
    verdict_in_chinese(chinese)
    chinese.reload()
    verdict_in_chinese(chinese)
    page.reload()
    expect(card.locator("[data-verdict]")).to_contain_text("that helped")
    page.evaluate("window.wasNeverReloaded = true")


def read_in_chinese(page: Page, *, by_model: bool) -> None:
    """The same analysis in Chinese: AgentFlow's texts are translated, those of a model and of the task are not."""
    page.locator(".toast-card").get_by_role("link").click()
    card = page.locator("#chat .analysis")
    cause = card.locator(".analysis-cause")
    expect(cause).to_have_text(CAUSE if by_model else "程序提出了一个问题，等待回答“是”或“否”。")
    assert cause.get_attribute("lang") == ("en" if by_model else None)
    why = card.locator(".analysis-fix").filter(has_text="应答“y”").locator("p.sub")
    expect(why).to_have_text("The prompt offers it." if by_model else "这是提示中给出的选项。")
    expect(card.locator("blockquote")).to_have_text("Deploy now? [y/N]")
    assert violations(page) == []


def verdict_in_chinese(page: Page) -> None:
    panel = page.locator("#chat")
    expect(panel.locator('[data-verdict="helped"]')).to_contain_text("应答“y”：有效，任务")
    clicked = panel.locator(".chat-turn").last
    expect(clicked.locator(".chat-said")).to_contain_text("应答“y”")
    expect(clicked.locator(".step-name")).to_contain_text("输入“y”")
    expect(clicked.locator(".chat-answer").first).to_contain_text("完成：“deploy”")
    expect(clicked.locator(".chat-answer").last).to_contain_text("有效，任务")


def pause_by_a_sentence(fleet: Cluster, page: Page) -> None:
    build = fleet.run("master-1", "sleep", "601", name="firmware build")
    other = fleet.run("master-1", "sleep", "602", name="nightly test")
    for task in (build, other):
        fleet.wait_task(task, "running")
    panel = open_chat(page)

    say(panel, SENTENCE)

    turn = panel.locator(".chat-turn").last
    expect(turn).to_have_attribute("data-state", "done")
    expect(turn.locator(".chat-answer")).to_contain_text("firmware build")
    expect(chip_of(page.locator(f"#task-{build}"))).to_have_text("Paused")
    assert fleet.task(other)["state"] == "running"
    assert [is_stopped(process) for process in processes_of(fleet, "sleep 601")] == [True]
    assert [is_stopped(process) for process in processes_of(fleet, "sleep 602")] == [False]


def processes_of(fleet: Cluster, command: str) -> list[psutil.Process]:
    """Processes of this cluster's tasks."""
    below = [process for shim in fleet.shims() for process in psutil.Process(shim).children(recursive=True)]
    return [process for process in below if " ".join(process.cmdline()) == command]


def is_stopped(process: psutil.Process) -> bool:
    """Whether the kernel has stopped it by a signal, or frozen its cgroup (then its state looks like sleep)."""
    own = next(line[3:] for line in Path(f"/proc/{process.pid}/cgroup").read_text().splitlines() if line[:3] == "0::")
    events = [Path(mount + own, "cgroup.events") for mount in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")]
    is_frozen = any("frozen 1" in file.read_text() for file in events if file.exists())
    return is_frozen or process.status() == psutil.STATUS_STOPPED


def read_remembered_fix(fleet: Cluster, page: Page, api: MessagesApi | None) -> None:
    page.goto(f"{fleet.url}/memory/")
    page.locator("#memory-list").get_by_role("link", name="stalls.md").click()
    expect(page.locator("main textarea")).to_have_value(
        # AgentFlow writes this line: it contains nothing that the task printed.
        re.compile(r'input "y" helped 1, not helped 0')
    )
    page.goto(f"{fleet.url}/memory/")
    page.locator("main").get_by_role("link", name="*:master-1").click()
    if api is None:
        messages = page.locator('[data-request="next"] details', has=page.get_by_text("Messages", exact=True))
        messages.locator("summary").click()
        expect(messages.locator("pre")).to_contain_text(SENTENCE)
        return
    sent = page.get_by_role("link", name="Exact bytes")
    assert sent.count() == len(api.raw_bodies)
    shown = [page.request.get(fleet.url + str(link.get_attribute("href"))).body() for link in sent.all()]
    assert shown == api.raw_bodies[::-1]
