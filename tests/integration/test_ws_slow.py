"""docs/websocket.md, "Slow clients": a client that does not read is closed, costs little, and affects no other."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Iterator

import psutil
import pytest

from dashboard.live import flow, writer
from dashboard.live.consumer import LiveConsumer
from dashboard.live.process import Live
from nodes.leader.projection.published import Published
from tests.support.deaf import DeafClient
from tests.support.eventually import eventually
from tests.support.live import DaphneThread, KnownTickets, MemoryFeed, RecordedServices, open_client


@pytest.fixture
def live(daphne: DaphneThread, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    # The real limits, but faster: 4 checks of 0.5 s instead of 4 of 5 s.
    monkeypatch.setattr(writer.Writer.__init__, "__kwdefaults__", {"check_seconds": 0.5})
    live = Live(feed=MemoryFeed(), services=RecordedServices(), tickets=KnownTickets())
    daphne.application = LiveConsumer.as_asgi(live=live)
    yield live
    live.threads.close()


def big(seq: int, size: int = 8000) -> Published:
    text = json.dumps({"type": "TASK_UPDATE", "store": "store-1", "seq": str(seq), "pad": "x" * size})
    return Published(seq, ("tasks",), text, "state", "k")


def feed_of(live: Live) -> MemoryFeed:
    assert isinstance(live.feed, MemoryFeed)
    return live.feed


async def test_a_client_that_does_not_read_is_closed_and_costs_little(daphne: DaphneThread, live: Live) -> None:
    seq = 0
    async with open_client(daphne.url) as reader:
        await reader.send(type="SUBSCRIBE", topics=["tasks"])
        await reader.until("SNAPSHOT")
        before = psutil.Process().memory_info().rss
        with contextlib.closing(DeafClient(daphne.port).socket):
            await eventually(lambda: live.broadcaster.socket_count == 2)
            await eventually(lambda: daphne.call(lambda: len(live.broadcaster._index.get("tasks", ()))) == 2)
            started = time.monotonic()
            latencies = []
            while live.broadcaster.socket_count == 2 and time.monotonic() - started < 15:
                seq += 1
                sent = time.monotonic()
                daphne.call(lambda number=seq: live.broadcaster.publish([big(number)]))
                assert (await reader.until("TASK_UPDATE"))["seq"] == str(seq)
                latencies.append(time.monotonic() - sent)
                await asyncio.sleep(0.002)

            assert live.broadcaster.socket_count == 1
            # Includes the test's own garbage; without a limit it would be everything that was published.
            assert psutil.Process().memory_info().rss - before < 8 << 20
            assert sorted(latencies)[len(latencies) // 2] < 0.1


async def test_a_client_that_stops_reading_is_closed_when_nothing_more_is_published(
    daphne: DaphneThread, live: Live
) -> None:
    deaf = DeafClient(daphne.port)
    with contextlib.closing(deaf.socket):
        await eventually(lambda: daphne.call(lambda: len(live.broadcaster._index.get("tasks", ()))) == 1)
        # More than the kernel and server buffers, less than the outbox holds.
        for seq in range(1, 101):
            daphne.call(lambda number=seq: live.broadcaster.publish([big(number)]))
        assert live.broadcaster.socket_count == 1

        await eventually(lambda: live.broadcaster.socket_count == 0, timeout=10)
        # The connection is cut instead of waiting for a close that the client never reads.
        await eventually(lambda: not deaf.is_open, timeout=5)


async def test_a_client_that_acks_and_then_stops_is_held_to_its_window(daphne: DaphneThread, live: Live) -> None:
    async with open_client(daphne.url) as client:
        await client.send(type="SUBSCRIBE", topics=["tasks"])
        await client.until("SNAPSHOT")
        await client.send(type="ACK", cursor="0")
        await client.send(type="PING")
        await client.until("PONG")
        for first in range(1, 1501, 100):
            daphne.call(lambda n=first: live.broadcaster.publish([big(seq, 10) for seq in range(n, n + 100)]))
        for seq in range(1, flow.WINDOW_MESSAGES + 1):
            assert (await client.receive())["seq"] == str(seq)
        received = flow.WINDOW_MESSAGES
        while not await client.quiet(0.2):
            received += 1
        assert received < 1500

        await client.send(type="ACK", cursor=str(received))
        while received < 1500:
            message = await client.receive()
            received += message["type"] == "TASK_UPDATE"
        await client.send(type="ACK", cursor="1500")


async def test_a_client_that_reads_and_never_acks_gets_everything(daphne: DaphneThread, live: Live) -> None:
    async with open_client(daphne.url) as client:
        await client.send(type="SUBSCRIBE", topics=["tasks"])
        await client.until("SNAPSHOT")

        async def publish() -> None:
            for first in range(1, 5001, 100):
                daphne.call(lambda n=first: live.broadcaster.publish([big(seq, 10) for seq in range(n, n + 100)]))
                await asyncio.sleep(0.001)

        task = asyncio.create_task(publish())
        received = 0
        while received < 5000:
            received += (await client.receive())["type"] == "TASK_UPDATE"
        await task


async def test_a_slow_reader_of_logs_gets_a_gap_for_what_it_missed(daphne: DaphneThread, live: Live) -> None:
    feed = feed_of(live)
    async with open_client(daphne.url) as client:
        await client.send(type="SUBSCRIBE", topics=["logs"])
        await client.until("SNAPSHOT")
        # Several times the kernel and server buffers; the client is not reading.
        client.socket.transport.pause_reading()
        for _ in range(40):
            daphne.call(lambda: live.broadcaster.publish([feed.log("m", *["x" * 1000] * 100)]))
            await asyncio.sleep(0.02)
        client.socket.transport.resume_reading()

        lines = skipped = 0
        while skipped + lines < 4000:
            message = await client.receive()
            skipped += message["skipped"] if message["type"] == "GAP" else 0
            lines += len(message["lines"]) if message["type"] == "LOG" else 0

    assert skipped > 100
    assert skipped + lines == 4000


async def test_a_large_burst_to_a_client_that_reads_is_sent_whole(daphne: DaphneThread, live: Live) -> None:
    feed = feed_of(live)
    async with open_client(daphne.url, batch=True) as client:
        await client.send(type="SUBSCRIBE", topics=["logs"])
        await client.until("SNAPSHOT")
        daphne.call(lambda: live.broadcaster.publish([feed.log("m", *["x" * 50] * 100) for _ in range(50)]))

        lines = 0
        while lines < 5000:
            message = await client.receive()
            assert message["type"] == "LOG"
            lines += len(message["lines"])


async def test_the_write_buffer_of_daphne_can_be_measured(daphne: DaphneThread, live: Live) -> None:
    seen: list[object] = []

    async def application(scope: object, receive: object, send: object) -> None:
        from dashboard.live.transport import WriteBuffer

        buffer = WriteBuffer(send)  # type: ignore[arg-type]
        seen.append(buffer)
        await LiveConsumer.as_asgi(live=live)(scope, receive, send)

    daphne.application = application
    with contextlib.closing(DeafClient(daphne.port).socket):
        await eventually(lambda: daphne.call(lambda: len(live.broadcaster._index.get("tasks", ()))) == 1)
        daphne.call(lambda: live.broadcaster.publish([big(1, 900_000)]))

        assert await eventually(lambda: seen[0].pending_bytes() > 300_000)  # type: ignore[attr-defined]
        assert seen[0].takes_at_once  # type: ignore[attr-defined]


async def test_a_client_that_disconnects_during_a_burst_leaves_nothing(
    daphne: DaphneThread, live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    for turn in range(20):
        async with open_client(daphne.url) as client:
            await client.send(type="SUBSCRIBE", topics=["tasks"])
            await client.until("SNAPSHOT")
            closing = asyncio.create_task(client.socket.close())
            for number in range(20):
                feed_of(live).seq = turn * 20 + number + 1
                daphne.call(lambda: live.broadcaster.publish([big(feed_of(live).seq, 100)]))
                await asyncio.sleep(0)
            await closing

    await eventually(lambda: live.broadcaster.socket_count == 0)
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
