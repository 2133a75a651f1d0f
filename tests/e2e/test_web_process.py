"""A separate web process with `leader --no-web`: hints over Redis, data from the database, requests over gRPC."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.support.cluster import Cluster, cluster
from tests.support.eventually import eventually
from tests.support.redis import RedisServer

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory, redis: RedisServer) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("split")) as made:
        made.env["AGENTFLOW_REDIS_URL"] = redis.url
        made.start_leader("--no-web")
        made.processes["leader"].wait_for_log("no page")
        daphne = Path(sys.executable).with_name("daphne")
        web = made.add(
            "web",
            [
                *(str(daphne), "-b", "127.0.0.1", "-p", str(made.http_port), "--websocket_timeout", "-1", "-v", "0"),
                "agentflow_site.asgi:application",
            ],
        ).start()
        made.wait_for_web(web)
        made.start_agent("master", "master-1")
        made.wait_online("master-1")
        yield made


async def test_controls_and_updates_work_and_nothing_is_lost_when_redis_dies(
    split: Cluster, redis: RedisServer
) -> None:
    token = await asyncio.to_thread(split.api_token, "operator")
    await asyncio.to_thread(split.api_token, "admin")
    seen: list[dict[str, Any]] = []

    def states(task: str) -> list[str]:
        found: list[str] = []
        for message in seen:
            if message["type"] == "TASK_UPDATE" and message["task"]["id"] == task:
                state = message["task"]["state"]
                if not found or found[-1] != state:
                    found.append(state)
        return found

    def lines() -> list[str]:
        return [line[5] for message in seen if message["type"] == "LOG" for line in message["lines"]]

    async with connect(split.websocket_url) as socket:

        async def read() -> None:
            async for text in socket:
                message = json.loads(text)
                seen.extend(message if isinstance(message, list) else [message])

        reader = asyncio.create_task(read())
        await socket.send(json.dumps({"type": "AUTH", "token": token}))
        await socket.send(json.dumps({"type": "SUBSCRIBE", "topics": ["nodes", "tasks", "logs"]}))
        await eventually(lambda: any(message["type"] == "SNAPSHOT" for message in seen))

        # Idle for longer than redis-py's default socket timeout: the subscription must survive.
        await asyncio.sleep(11)
        first = await asyncio.to_thread(split.run, "master-1", "cat")
        await eventually(lambda: "running" in states(first), 15)

        await asyncio.to_thread(redis.kill)
        await socket.send(json.dumps({"type": "CONTROL", "ref": "a", "task": first, "action": "pause"}))
        await eventually(lambda: "paused" in states(first), 30, "controls and updates work without Redis")
        await asyncio.to_thread(redis.start)
        await socket.send(json.dumps({"type": "CONTROL", "ref": "b", "task": first, "action": "resume"}))
        await eventually(lambda: states(first)[-1] == "running", 30)
        # Numbered output before, during and after: each line once.
        second = await asyncio.to_thread(split.run, "master-1", "seq", "1", "2000")
        await eventually(lambda: states(second)[-1:] == ["succeeded"], 30)
        await eventually(lambda: len(lines()) >= 2000, 30)
        assert lines() == [str(number) for number in range(1, 2001)]
        await socket.send(json.dumps({"type": "CONTROL", "ref": "c", "task": first, "action": "cancel"}))
        await eventually(lambda: states(first)[-1] == "cancelled", 30)
        reader.cancel()
    for name in ("web", "leader"):
        assert "Traceback" not in split.processes[name].log(), split.processes[name].log()[-4000:]
