"""`leader --no-web` with a separate web process, connected by a real Redis and one database."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets

from tests.support.cluster import Cluster
from tests.support.live import Client, open_client
from tests.support.redis import RedisServer

pytestmark = pytest.mark.slow


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path).start()
    yield server
    server.kill()


@pytest.fixture
def cluster(tmp_path: Path, redis: RedisServer) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path)
    redis_env = {"AGENTFLOW_REDIS_URL": redis.url}
    leader = cluster.start_leader("--no-web", **redis_env)
    leader.wait_for_log("serves nodes on")
    web = cluster.add(
        "web",
        [
            *(sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(cluster.http_port)),
            *("--websocket_timeout", "-1", "agentflow_site.asgi:application"),
        ],
        **redis_env,
    )
    web.start()
    cluster.wait_for_web(web)
    yield cluster
    cluster.stop()


async def run_task(client: Client, ref: str) -> str:
    await client.send(type="RUN", ref=ref, name=ref, argv=["true"])
    while (message := await client.receive(10)).get("ref") != ref:
        pass
    assert message["type"] == "ACCEPTED", message
    return str(message["task"])


async def update_of(client: Client, task_id: str, timeout: float) -> dict[str, object]:
    async with asyncio.timeout(timeout):
        while True:
            message = await client.until("TASK_UPDATE", timeout)
            if message["task"]["id"] == task_id:
                return message


async def refuses_a_page_of_another_site(cluster: Cluster) -> None:
    for path, options in (("ws/", {"origin": "http://evil.example"}), ("ws/other/", {}), ("nothing", {})):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await open_client(f"ws://127.0.0.1:{cluster.http_port}/{path}", None, **options).__aenter__()
        assert refused.value.response.status_code == 403
    assert json.loads(json.dumps(cluster.api("GET", "nodes/", role="viewer")))["results"] is not None


async def test_commands_and_messages_go_through_a_web_process_and_survive_redis(
    cluster: Cluster, redis: RedisServer
) -> None:
    await refuses_a_page_of_another_site(cluster)
    assert "Traceback" not in cluster.processes["web"].log()
    token = cluster.api_token("admin")
    async with (
        open_client(cluster.websocket_url, token) as client,
        open_client(cluster.websocket_url, token) as watcher,
    ):
        for socket in (client, watcher):
            await socket.send(type="SUBSCRIBE", topics=["tasks"])
            await socket.until("SNAPSHOT")
        first = await run_task(client, "first")
        assert (await update_of(watcher, first, 5))["task"]

        await asyncio.sleep(11)  # Idle for longer than redis-py's timeout and the layer's own read.
        await client.send(type="CONTROL", ref="c", task=first, action="cancel")
        # Sooner than a process without hints would poll.
        assert (await update_of(watcher, first, 1.5))["task"]

        redis.kill()
        second = await run_task(client, "second")
        await update_of(watcher, second, 10)
        redis.start()
        third = await run_task(client, "third")
        await update_of(watcher, third, 10)
        await watcher.send(type="PING")
        position = await watcher.until("PONG")
        seen = [message["seq"] for message in watcher.seen if message["type"] in ("TASK_UPDATE", "COMMAND")]

    # The watcher has seen exactly what the feed holds about tasks: nothing lost, nothing twice.
    async with open_client(cluster.websocket_url, token) as late:
        await late.send(type="SUBSCRIBE", topics=["tasks"], since={"store": position["store"], "seq": "0"})
        feed = []
        while (message := await late.receive())["type"] != "PONG":
            if message["type"] in ("TASK_UPDATE", "COMMAND"):
                feed.append(message)
    assert {message["task"]["id"] for message in feed if message["type"] == "TASK_UPDATE"} == {first, second, third}
    assert seen == [message["seq"] for message in feed if int(message["seq"]) <= int(position["seq"])]
    for process in cluster.processes.values():
        assert "Traceback" not in process.log(), process.log()[-4000:]
