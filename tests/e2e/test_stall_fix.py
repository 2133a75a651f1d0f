"""A task really waits for a line: analysed, chosen, approved, answered, judged and remembered, with either engine."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Cluster, cluster
from tests.support.eventually import eventually_sync
from tests.support.messages_api import MessagesApi, Reply, Step, text

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ASKS = "print('went on' if input('Deploy now? [y/N] ') == 'y' else 'left', flush=True); import time; time.sleep(600)"
CONTEXT = "*:master-1"


def model(body: dict[str, Any]) -> Step:
    """Finds out what the evidence says, and cites it."""
    question = json.loads(body["messages"][-1]["content"][-1]["text"])
    lines = next(piece for piece in question["evidence"] if piece["kind"] == "lines")
    answer = {
        "cause": "It asks whether to deploy.",
        "confidence": "high",
        "evidence": [{"id": lines["id"], "quote": lines["text"].strip()}],
        "fixes": [{"action": "input", "text": "y", "why": "the prompt offers it"}],
    }
    return Reply([text(json.dumps(answer))])


def turns(made: Cluster) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = made.api("POST", "chat/conversations/", {"context": CONTEXT})["turns"]
    return found


def analysis(made: Cluster, verdict: str) -> dict[str, Any] | None:
    """The first one, once its verdict is this."""
    found = next((turn["analysis"] for turn in turns(made) if turn["analysis"]), None)
    return found if found is not None and found["verdict"] == verdict else None


def help_it(made: Cluster, url: str) -> dict[str, Any]:
    env = {"AGENTFLOW_CHAT_BASE_URL": url, "AGENTFLOW_CHAT_API_KEY": "key-1"} if url else {}
    made.start_leader(**env)
    made.start_agent("master", "master-1")
    made.wait_online("master-1")
    task = made.run("master-1", "python3", "-c", ASKS, name="deploy")
    found = eventually_sync(lambda: analysis(made, "none"), 60.0)
    assert found["fixes"][0]["arguments"] == {"task": task, "text": "y"}
    assert found["evidence"][0]["quote"] == "Deploy now? [y/N]"

    clicked = made.api("POST", f"chat/turns/{found['turn']}/fixes/1/", {})["turn"]

    def card() -> dict[str, Any] | None:
        steps = next(turn for turn in turns(made) if turn["id"] == clicked)["steps"]
        return steps[0] if steps and steps[0]["state"] == "waiting" else None

    step = eventually_sync(card, 30.0)
    assert "went on" not in "".join(made.log_lines(task))
    made.api("POST", f"chat/approvals/{step['approval']['id']}/", {"decision": "approve"})
    eventually_sync(lambda: "went on" in "".join(made.log_lines(task)), 30.0)
    return dict(eventually_sync(lambda: analysis(made, "helped"), 60.0))


@pytest.mark.parametrize("engine", ["offline", "claude"])
async def test_one_click_and_an_approval_help_a_task_that_waits(tmp_path: Path, engine: str) -> None:
    async with MessagesApi(model) as api:
        with cluster(tmp_path) as made:
            helped = await asyncio.to_thread(help_it, made, api.url if engine == "claude" else "")

            assert (helped["engine"], helped["verdictFix"]) == (engine, 1)
            (file,) = (await asyncio.to_thread(made.api, "GET", "memory/?text=helped"))["results"]
            assert file["path"] == "/memories/node/master-1/stalls.md"
        assert api.refusals == []
        assert len(api.bodies) == (engine == "claude")
