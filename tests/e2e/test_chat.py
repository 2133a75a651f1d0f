"""A typed sentence pauses exactly that task, on a real cluster, with both engines: page → Leader → node → page."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.support.cluster import Cluster, cluster
from tests.support.messages_api import MessagesApi, Reply, Step, text, thinking, tool_use

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SENTENCE = "暂停 master-1 的编译任务"


def model(body: dict[str, Any]) -> Step:
    """A fake model: finds the task, pauses it, and reports the result."""
    last = body["messages"][-1]["content"][-1]
    if last["type"] != "tool_result":
        return Reply([thinking("which one?"), tool_use("list_tasks", {"node": "master-1", "state": "running"})])
    result = json.loads(last["content"])
    if "tasks" in result:
        task = next(task for task in result["tasks"] if "build" in task["name"])
        return Reply([thinking("that one"), tool_use("pause_task", {"task": task["id"]})])
    return Reply([text(f"{result['task']['name']}: {result['task']['state']}")])


def start(made: Cluster, url: str) -> dict[str, str]:
    """Ids of the tasks by node."""
    env = {"AGENTFLOW_CHAT_BASE_URL": url, "AGENTFLOW_CHAT_API_KEY": "key-1"} if url else {}
    made.start_leader(**env)
    made.start_agent("master", "master-1")
    made.start_agent("master", "master-2")
    made.wait_online("master-1", "master-2")
    sleeper = {"argv": ["sleep", "600"], "name": "firmware build"}
    tasks = {
        node: str(made.api("POST", "tasks/", {"node": node, **sleeper})["id"]) for node in ("master-1", "master-2")
    }
    tasks["other"] = str(made.api("POST", "tasks/", {"node": "master-1", **sleeper, "name": "nightly test"})["id"])
    for task_id in tasks.values():
        made.wait_task(task_id, "running")
    return tasks


@pytest.mark.parametrize("engine", ["offline", "claude"])
async def test_the_typed_sentence_pauses_exactly_that_task(tmp_path: Path, engine: str) -> None:
    async with MessagesApi(model) as api:
        with cluster(tmp_path) as made:
            tasks = await asyncio.to_thread(start, made, api.url if engine == "claude" else "")
            token = await asyncio.to_thread(made.api_token, "operator")
            async with asyncio.timeout(40), connect(made.websocket_url) as socket:
                await socket.send(json.dumps({"type": "AUTH", "token": token}))
                await socket.send(json.dumps({"type": "CHAT", "text": SENTENCE, "targetContext": "*:master-1"}))
                seen: list[dict[str, Any]] = []
                while not (seen and seen[-1]["type"] == "CHAT_TURN" and seen[-1]["turn"]["state"] == "done"):
                    seen.append(json.loads(await socket.recv()))

            answer = next(message for message in seen if message["type"] == "CHAT_RESPONSE")
            states = {name: made.task(task_id)["state"] for name, task_id in tasks.items()}
            assert states == {"master-1": "paused", "master-2": "running", "other": "running"}
            assert "paused" in answer["text"] or "暂停" in answer["text"]
            assert seen[-1]["turn"]["engine"] == engine
            assert "key-1" not in "".join(process.log() for process in made.processes.values())
        assert api.refusals == []
