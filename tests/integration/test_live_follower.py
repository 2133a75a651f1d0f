"""A separate web process: hints over a real Redis, messages from the feed, nothing lost while Redis is down."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio.client import PubSub

from dashboard.live import follower, layer
from dashboard.live.consumer import LiveConsumer
from dashboard.live.feed_notifier import FeedNotifier
from dashboard.live.layer import FeedChannelLayer
from dashboard.live.process import Live
from nodes.leader.projection.published import Published
from tests.support.eventually import eventually
from tests.support.live import Client, DaphneThread, KnownTickets, MemoryFeed, RecordedServices, open_client
from tests.support.redis import RedisServer

pytestmark = pytest.mark.slow


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path).start()
    yield server
    server.kill()


class Cluster:
    """A Leader's notifier and a follower with sockets, connected only by Redis and the feed."""

    def __init__(self, daphne: DaphneThread, redis: RedisServer) -> None:
        self.daphne = daphne
        self.feed = MemoryFeed()
        self.live = Live(feed=self.feed, services=RecordedServices(), tickets=KnownTickets(), is_leader=False)
        self.notifier = FeedNotifier(FeedChannelLayer(hosts=[{"address": redis.url}], prefix="agentflow"))
        self.service = asyncio.run_coroutine_threadsafe(self.notifier.run(), daphne.loop)
        daphne.application = LiveConsumer.as_asgi(live=self.live)

    def commit(self, *batch: Published) -> None:
        self.daphne.call(lambda: self.notifier.publish(batch))

    def stop(self) -> None:
        self.daphne.call(self.notifier.request_stop)
        self.service.result(10)
        self.live.threads.close()

    async def dashboard(self, client: Client) -> Client:
        await client.send(type="SUBSCRIBE", topics=["tasks", "nodes"])
        await client.until("SNAPSHOT")
        return client


@pytest.fixture
def cluster(daphne: DaphneThread, redis: RedisServer, settings: Any) -> Iterator[Cluster]:
    # As in the settings, with the address of this test's Redis.
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "dashboard.live.layer.FeedChannelLayer",
            "CONFIG": {
                "prefix": "agentflow",
                "hosts": [
                    {
                        "address": redis.url,
                        "socket_timeout": 15.0,
                        "socket_connect_timeout": 5.0,
                        "socket_keepalive": True,
                        "health_check_interval": 15,
                    }
                ],
            },
        }
    }
    cluster = Cluster(daphne, redis)
    yield cluster
    cluster.stop()


async def test_a_commit_reaches_the_sockets_of_another_process(cluster: Cluster) -> None:
    async with open_client(cluster.daphne.url) as client:
        await cluster.dashboard(client)
        await eventually(lambda: not cluster.live._follower._is_polling)  # type: ignore[union-attr]
        cluster.commit(cluster.feed.task("t1"), cluster.feed.metrics("m", 5))

        messages = [await client.receive(1.0) for _ in range(2)]

    assert {message["type"] for message in messages} == {"TASK_UPDATE", "METRICS"}


@pytest.mark.parametrize("kind", ["CHAT_DELTA", "CHAT_RETRYING"])
async def test_messages_of_a_conversation_outside_the_feed_reach_another_process(cluster: Cluster, kind: str) -> None:
    async with open_client(cluster.daphne.url) as client:
        await client.send(type="SUBSCRIBE", topics=["chat:c1"])
        await client.until("SNAPSHOT")
        await eventually(lambda: not cluster.live._follower._is_polling)  # type: ignore[union-attr]
        said = {"type": kind, "conversation": "c1", "turn": "t1"}
        cluster.commit(Published(0, ("chat:c1",), json.dumps(said), "state", "chat:t1:0"))

        assert await client.receive(1.0) == said


async def test_an_idle_socket_survives_many_empty_reads(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With the real times: tests/integration/test_redis_web_process.py."""
    empty = 0
    read = PubSub.get_message

    async def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal empty
        message = await read(*arguments, **named)
        empty += message is None
        return message

    monkeypatch.setattr(PubSub, "get_message", counted)
    monkeypatch.setattr(layer, "READ_SECONDS", 0.05)
    async with open_client(cluster.daphne.url) as client:
        await cluster.dashboard(client)
        await eventually(lambda: not cluster.live._follower._is_polling)  # type: ignore[union-attr]

        await eventually(lambda: empty >= 5)
        cluster.commit(cluster.feed.task("t1"))

        # Well below the polling interval of a follower without hints.
        assert (await client.receive(1.0))["type"] == "TASK_UPDATE"
    assert [r.message for r in caplog.records if r.name.startswith("dashboard.live") and r.levelno > logging.INFO] == []


async def test_nothing_is_lost_while_redis_is_down(
    cluster: Cluster, redis: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(follower, "POLL_SECONDS", 0.3)
    async with open_client(cluster.daphne.url) as client:
        await cluster.dashboard(client)
        cluster.commit(cluster.feed.task("t1", step=1))
        assert (await client.until("TASK_UPDATE"))["task"]["step"] == 1

        redis.kill()
        cluster.commit(cluster.feed.task("t1", step=2))
        assert (await client.until("TASK_UPDATE"))["task"]["step"] == 2
        async with open_client(cluster.daphne.url) as second:
            await cluster.dashboard(second)
            cluster.commit(cluster.feed.task("t1", step=3))
            # The snapshot may be a second old; later messages follow in order.
            while (await second.until("TASK_UPDATE"))["task"]["step"] != 3:
                pass
        assert (await client.until("TASK_UPDATE"))["task"]["step"] == 3

        redis.start()
        await eventually(lambda: not cluster.live._follower._is_polling, 15)  # type: ignore[union-attr]
        cluster.commit(cluster.feed.task("t1", step=4))
        assert (await client.until("TASK_UPDATE"))["task"]["step"] == 4

    assert not [record for record in caplog.records if record.exc_info]


async def test_a_hint_lost_in_a_short_outage_is_recovered(cluster: Cluster, redis: RedisServer) -> None:
    async with open_client(cluster.daphne.url) as client:
        await cluster.dashboard(client)
        await eventually(lambda: not cluster.live._follower._is_polling)  # type: ignore[union-attr]
        cluster.feed.task("t1")  # Committed, but its hint is never sent.
        redis.kill()
        redis.start()

        assert (await client.until("TASK_UPDATE"))["seq"] == "1"


async def test_a_process_that_starts_without_redis_serves(cluster: Cluster, redis: RedisServer) -> None:
    redis.kill()
    async with open_client(cluster.daphne.url) as client:
        await cluster.dashboard(client)
        cluster.feed.task("t1")

        assert (await client.until("TASK_UPDATE", 8))["seq"] == "1"
        redis.start()
        await eventually(lambda: not cluster.live._follower._is_polling, 15)  # type: ignore[union-attr]


async def test_a_page_that_reloads_repeatedly_misses_nothing(cluster: Cluster) -> None:
    for _ in range(30):
        async with open_client(cluster.daphne.url) as client:
            await client.send(type="SUBSCRIBE", topics=["tasks"])
            known = int((await client.until("SNAPSHOT"))["seq"])
            last = cluster.feed.task("t1")
            cluster.commit(last)
            while known < last.seq:
                known += 1
                assert (await client.until("TASK_UPDATE"))["seq"] == str(known)


async def test_a_feed_that_was_replaced_makes_every_socket_start_again(cluster: Cluster) -> None:
    cluster.feed.task("t1")
    async with open_client(cluster.daphne.url) as client:
        await cluster.dashboard(client)
        cluster.feed.store, cluster.feed.seq = "store-2", 0
        cluster.commit(Published(100, ("tasks",), "{}", "state", "k"))

        assert await client.closed() == 4008


async def test_many_missed_messages_arrive_in_order(cluster: Cluster) -> None:
    async with open_client(cluster.daphne.url, batch=True) as client:
        await cluster.dashboard(client)
        for _ in range(2300):
            last = cluster.feed.task("t1")
        cluster.commit(last)

        seqs = [int((await client.until("TASK_UPDATE"))["seq"]) for _ in range(2300)]

    assert seqs == list(range(1, 2301))


async def test_a_forged_hint_changes_nothing(cluster: Cluster) -> None:
    async with open_client(cluster.daphne.url) as client:
        await cluster.dashboard(client)
        await eventually(lambda: not cluster.live._follower._is_polling)  # type: ignore[union-attr]
        hinted = cluster.live._follower._hinted  # type: ignore[union-attr]
        for hint in (
            {"seq": "x"},
            {"seq": 5, "ephemeral": [1, "{", '{"type":"TASK_UPDATE","task":{}}', "[]"]},
            {},
        ):
            cluster.daphne.call(lambda forged=hint: hinted(forged))
        await client.send(type="PING")

        assert (await client.receive())["type"] == "PONG"
