"""Clients that support only the base messages, written from the specification, work (docs/protocol.md section 2)."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.support.cluster import Cluster, cluster
from tests.support.eventually import eventually_sync
from tests.support.processes import Process, manage

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

HERE = Path(__file__).parent / "base"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Its own cluster: the state of a node that has left stays in the database."""
    with cluster(tmp_path_factory.mktemp("fleet")) as made:
        made.start_all()
        yield made


@pytest.fixture(scope="module")
def base_node(fleet: Cluster) -> Process:
    generated = fleet.folder / "generated"
    generated.mkdir()
    subprocess.run(
        [
            *(sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={HERE}"),
            *(f"--python_out={generated}", f"--grpc_python_out={generated}", "node_sync.proto"),
        ],
        check=True,
    )
    token = manage("token", "new", "--role", "master", "--name", "legacy-1", env=fleet.env).strip()
    leader = f"127.0.0.1:{fleet.grpc_port}"
    process = fleet.add("legacy-1", [sys.executable, str(HERE / "node.py"), str(generated), leader, token, "legacy-1"])
    process.start()
    fleet.wait_online("legacy-1")
    return process


def test_base_node_is_shown_with_its_metrics_and_task(fleet: Cluster, base_node: Process) -> None:
    node = eventually_sync(lambda: (n := fleet.api("GET", "nodes/legacy-1/")) and n["cpu"] is not None and n)

    assert (node["cpu"], node["state"], node["base"]) == (12.5, "online", True)
    task = fleet.wait_task("own-task", "running")
    assert (task["name"], task["project"], task["progress"], task["node"]) == ("own work", "legacy", 0.25, "legacy-1")
    assert task["health"] == "stalled"
    asking = fleet.wait_task("asking", "running")
    assert (asking["health"], asking["node"], asking["acceptsInput"]) == ("waiting", "legacy-1", True)


def test_base_node_gets_tasks_and_controls_and_completes_them(fleet: Cluster, base_node: Process) -> None:
    task = fleet.run("legacy-1", "make", "all")
    fleet.wait_task(task, "running")
    fleet.control(task, "input", input="y\n")
    eventually_sync(lambda: fleet.rows("SELECT state FROM nodes_command WHERE kind = 'input'") == [("succeeded",)])
    for action, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        fleet.control(task, action)
        fleet.wait_task(task, state)

    commands = fleet.rows("SELECT kind, state FROM nodes_command WHERE task_id = ? ORDER BY created_at", task)
    assert commands == [(kind, "succeeded") for kind in ("start", "input", "pause", "resume", "cancel")]
    printed = [json.loads(line) for line in base_node.log().splitlines() if line.startswith("{")]
    assert printed[0] == {"kind": "task_request", "argv": ["make", "all"], "name": "make"}
    assert [line["action"] for line in printed[1:]] == [4, 1, 2, 3]


async def test_the_chat_is_about_a_project_of_a_base_node(fleet: Cluster, base_node: Process) -> None:
    await asyncio.to_thread(fleet.wait_task, "own-task", "running")
    token = await asyncio.to_thread(fleet.api_token, "operator")
    async with connect(fleet.websocket_url) as socket, asyncio.timeout(20):
        await socket.send(json.dumps({"type": "AUTH", "token": token}))
        await socket.send(json.dumps({"type": "CHAT", "text": "list tasks", "targetContext": "legacy:legacy-1"}))
        async for text in socket:
            message = json.loads(text)
            assert message["type"] != "ERROR", message
            if message["type"] == "CHAT_RESPONSE":
                assert "own work" in message["text"]
                break


async def test_base_dashboard_is_served(fleet: Cluster) -> None:
    """Sends AUTH, SUBSCRIBE and CHAT; receives NODE_STATUS, TASK_UPDATE and ALERT, one object per frame."""
    token = await asyncio.to_thread(fleet.api_token, "viewer")
    seen: dict[str, dict[str, Any]] = {}

    async def until(socket: ClientConnection, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(40):  # After 20 s, a disconnected node is offline, with an alert.
            async for text in socket:
                message = json.loads(text)
                seen[message["type"]] = message
                if message["type"] == kind:
                    return dict(message)
        raise AssertionError(f"closed before {kind}: {socket.close_code}")

    async with connect(fleet.websocket_url) as socket:
        await socket.send(json.dumps({"type": "AUTH", "token": token}))
        await socket.send(json.dumps({"type": "SUBSCRIBE", "topics": ["nodes", "tasks", "alerts", "logs"]}))
        await until(socket, "SNAPSHOT")

        task = await asyncio.to_thread(fleet.run, "master-1", "echo", "hi")
        while (update := await until(socket, "TASK_UPDATE"))["task"]["state"] != "succeeded":
            assert update["task"]["id"] == task

        await socket.send(json.dumps({"type": "CHAT", "text": "hello", "targetContext": "demo:master-1"}))
        assert (await until(socket, "ERROR"))["code"]

        fleet.processes["master-2"].kill()
        while (await until(socket, "NODE_STATUS"))["node"]["id"] != "master-2":
            pass
        assert seen["NODE_STATUS"]["node"]["state"] == "suspect"
        alert = await until(socket, "ALERT") if "ALERT" not in seen else seen["ALERT"]
        assert alert["level"] in ("error", "warning")
        assert "master-2" in alert["message"]
    fleet.processes["master-2"].start()
