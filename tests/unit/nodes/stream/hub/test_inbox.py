from __future__ import annotations

import asyncio

from nodes.stream.hub.inbox import Inbox
from nodes.stream.wire.v1 import node_sync_pb2 as pb


async def test_collected_updates_are_taken_together_in_order() -> None:
    inbox = Inbox()
    for seq in range(1, 1501):
        await inbox.put(pb.NodeUpdate(seq=seq))

    first, second = await inbox.take(), await inbox.take()

    assert [update.seq for update in [*first, *second]] == list(range(1, 1501))
    assert len(first) == 1000


async def test_full_inbox_stops_the_reader_and_drops_nothing() -> None:
    inbox = Inbox()
    taken: list[int] = []

    async def read() -> None:
        for seq in range(1, 10_001):
            await inbox.put(pb.NodeUpdate(seq=seq))

    reading = asyncio.create_task(read())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not reading.done()
    while len(taken) < 10_000:
        taken += [update.seq for update in await inbox.take()]
        assert len(taken) % 1000 == 0
    await reading

    assert taken == list(range(1, 10_001))


async def test_large_updates_fill_it_by_size() -> None:
    inbox = Inbox()
    update = pb.NodeUpdate(node_id="x" * (1 << 20))
    for _ in range(4):
        await inbox.put(update)

    waiting = asyncio.create_task(inbox.put(update))
    await asyncio.sleep(0)
    assert not waiting.done()

    await inbox.take()
    await waiting
