"""Fan-out in one process: encoded once, one wake-up per batch, nothing missed at a join, no work without sockets."""

from __future__ import annotations

import asyncio

from dashboard.live import broadcaster as module
from dashboard.live.broadcaster import Broadcaster
from dashboard.live.frames import Frame
from dashboard.live.outbox import Outbox
from nodes.leader.projection.published import Published


def message(seq: int, *topics: str) -> Published:
    return Published(seq, topics or ("tasks",), f'{{"seq":"{seq}"}}', "state", f"k{seq}")


class Socket:
    def __init__(self) -> None:
        self.wakes = 0
        self.outbox = Outbox(wake=self._wake)

    def _wake(self) -> None:
        self.wakes += 1

    def frames(self) -> list[Frame]:
        return [item for item in self.outbox.take(1 << 30) if isinstance(item, Frame)]

    def seqs(self) -> list[int]:
        return [frame.seq for frame in self.frames()]


async def test_each_socket_gets_its_topics_once_and_is_woken_once_a_batch() -> None:
    broadcaster, both, tasks, nobody = Broadcaster(), Socket(), Socket(), Socket()
    broadcaster.join(both.outbox, ["tasks", "task:t1"], after=0)
    broadcaster.join(tasks.outbox, ["tasks"], after=0)
    broadcaster.join(nobody.outbox, ["nodes"], after=0)
    both.wakes = tasks.wakes = nobody.wakes = 0

    broadcaster.publish([message(1, "tasks", "task:t1"), message(2, "tasks"), message(3, "alerts")])

    first, second = both.frames(), tasks.frames()
    assert [frame.seq for frame in first] == [frame.seq for frame in second] == [1, 2]
    assert first[0] is second[0]
    assert (both.wakes, tasks.wakes, nobody.wakes) == (1, 1, 0)


async def test_messages_in_the_snapshot_are_not_sent_again() -> None:
    broadcaster, socket = Broadcaster(), Socket()
    broadcaster.join(socket.outbox, ["tasks"], after=2)

    broadcaster.publish([message(seq) for seq in (1, 2, 3)])

    assert socket.seqs() == [3]


async def test_messages_between_the_snapshot_and_the_join_are_sent_first() -> None:
    broadcaster, socket = Broadcaster(), Socket()
    broadcaster.hold(["tasks"])
    broadcaster.publish([message(1), message(2), message(3, "nodes"), message(4)])

    broadcaster.join(socket.outbox, ["tasks"], after=1)
    broadcaster.release(["tasks"])
    await asyncio.sleep(0)
    broadcaster.publish([message(5)])

    assert socket.seqs() == [2, 4, 5]


async def test_topics_are_wanted_while_they_have_subscribers_or_holds() -> None:
    broadcaster, socket = Broadcaster(), Socket()
    assert not broadcaster.wants("tasks")

    broadcaster.hold(["tasks"])
    broadcaster.join(socket.outbox, ["tasks"], after=0)
    broadcaster.release(["tasks"])
    assert broadcaster.wants("tasks")

    broadcaster.remove(socket.outbox)
    assert not broadcaster.wants("tasks")


async def test_a_burst_of_batches_waits_for_the_writers() -> None:
    broadcaster, socket = Broadcaster(), Socket()
    broadcaster.join(socket.outbox, ["tasks"], after=0)

    for first in (1, 3, 5):
        broadcaster.publish([message(first), message(first + 1)])

    assert socket.seqs() == [1, 2]
    await asyncio.sleep(0)
    assert socket.seqs() == [3, 4]
    await asyncio.sleep(0)
    assert socket.seqs() == [5, 6]
    assert broadcaster.position == 6


async def test_an_old_snapshot_cannot_be_continued_once_history_is_full() -> None:
    broadcaster = Broadcaster()
    broadcaster.hold(["tasks"])
    assert broadcaster.reaches(0)

    broadcaster.publish([message(seq) for seq in range(1, module.HISTORY_MESSAGES + 6)])

    assert not broadcaster.reaches(4)
    assert broadcaster.reaches(5)


async def test_an_idle_broadcaster_keeps_nothing() -> None:
    broadcaster = Broadcaster()
    broadcaster.publish([message(1), message(2)])
    broadcaster.hold(["tasks"])

    assert broadcaster.position == 2
    assert broadcaster.reaches(2)


async def test_a_feed_that_cannot_be_continued_closes_every_socket() -> None:
    broadcaster, socket = Broadcaster(), Socket()
    broadcaster.add(socket.outbox)
    broadcaster.join(socket.outbox, ["tasks"], after=0)

    broadcaster.restart(3)

    assert socket.outbox.is_overflown
    assert broadcaster.position == 3
