"""Delivers each committed message to the outboxes of the subscribed sockets of one process.

Each message is encoded once for all sockets, each socket is woken once per batch, and topics without subscribers cost
nothing. Everything except `wants` runs on the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from dashboard.live.frames import Frame
from dashboard.live.outbox import Outbox
from nodes.leader.projection.published import Published
from nodes.leader.projection.trouble import STORE_KEY

# Messages kept for sockets that join from a recent snapshot.
HISTORY_MESSAGES = 4000
HISTORY_BYTES = 4 << 20
# Batches wait until the writers have sent earlier ones; above this many messages they do not wait.
_WAITING_MESSAGES = 10_000


class Broadcaster:
    """Implements `nodes.leader.projection.published.Listener`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Topic → outbox → feed number up to which the outbox's snapshot includes this topic.
        self._index: dict[str, dict[Outbox, int]] = {}
        self._outboxes: set[Outbox] = set()
        self._holds: dict[str, int] = {}
        # Messages of wanted topics after `_history_floor`, oldest first.
        self._history: deque[tuple[tuple[str, ...], Frame]] = deque()
        self._history_bytes = 0
        self._history_floor = 0
        self._position = 0
        self._waiting: deque[Sequence[Published]] = deque()
        self._waiting_messages = 0
        self._is_yielding = False
        # The latest STORE message, for new sockets; None = the store has never failed.
        self.store_message: Published | None = None

    @property
    def position(self) -> int:
        """The newest feed number delivered here; 0 = none yet."""
        return self._position

    @property
    def socket_count(self) -> int:
        return len(self._outboxes)

    # --- for the projection --------------------------------------------------------------------

    def wants(self, topic: str) -> bool:
        """Thread-safe: two dictionary look-ups."""
        return topic in self._index or topic in self._holds

    def publish(self, batch: Sequence[Published]) -> None:
        """Delivers at once, unless it has already delivered a batch in this iteration of the event loop.

        In that case the batch waits for the writers: a burst of batches must not overflow the outbox of a client that
        keeps reading.
        """
        if self._waiting_messages > _WAITING_MESSAGES:
            while self._waiting:
                self._deliver(self._waiting.popleft())
            self._waiting_messages = 0
        if self._is_yielding:
            self._waiting.append(batch)
            self._waiting_messages += len(batch)
            return
        if self._deliver(batch):
            self._yield_turn()

    def advance(self, seq: int) -> None:
        """The feed has reached `seq`, without further messages for these sockets."""
        if not self._waiting:
            self._position = max(self._position, seq)

    def restart(self, seq: int) -> None:
        """Closes every socket because the feed cannot be continued; clients reconnect and get a snapshot."""
        self._waiting.clear()
        self._waiting_messages = 0
        self._history.clear()
        self._history_bytes = 0
        self._position = self._history_floor = seq
        for outbox in self._outboxes:
            outbox.overflow()
            outbox.wake()

    def _yield_turn(self) -> None:
        self._is_yielding = True
        asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._is_yielding = False
        while self._waiting:
            batch = self._waiting.popleft()
            self._waiting_messages -= len(batch)
            if self._deliver(batch):
                self._yield_turn()
                return

    def _deliver(self, batch: Sequence[Published]) -> bool:
        """True when at least one socket was woken."""
        now = self._clock()
        woken: set[Outbox] = set()
        for published in batch:
            seq = published.seq
            if published.key == STORE_KEY:
                self.store_message = published
            self._position = max(self._position, seq)
            listeners = [self._index[topic] for topic in published.topics if topic in self._index]
            if not listeners and not any(topic in self._holds for topic in published.topics):
                continue
            frame = Frame.of(published, now)
            if seq:
                self._remember(published, frame)
            # Once per socket, even if it is subscribed to several of the topics.
            reached = {outbox for floors in listeners for outbox, floor in floors.items() if seq > floor or not seq}
            for outbox in reached:
                outbox.put(frame)
            woken |= reached
        for outbox in woken:
            outbox.wake()
        return bool(woken)

    def _remember(self, published: Published, frame: Frame) -> None:
        self._history.append((published.topics, frame))
        self._history_bytes += frame.size_bytes
        while len(self._history) > HISTORY_MESSAGES or self._history_bytes > HISTORY_BYTES:
            _topics, dropped = self._history.popleft()
            self._history_bytes -= dropped.size_bytes
            self._history_floor = dropped.seq

    # --- for sockets ------------------------------------------------------------------------

    def add(self, outbox: Outbox) -> None:
        self._outboxes.add(outbox)

    def remove(self, outbox: Outbox) -> None:
        self.leave(outbox, list(self._index))
        self._outboxes.discard(outbox)

    def hold(self, topics: Iterable[str]) -> None:
        """Keeps messages of these topics from now on, even without subscribers, until `release`."""
        for topic in topics:
            self._holds[topic] = self._holds.get(topic, 0) + 1

    def release(self, topics: Iterable[str]) -> None:
        for topic in topics:
            self._holds[topic] -= 1
            if not self._holds[topic]:
                del self._holds[topic]
        self._forget_if_idle()

    def reaches(self, seq: int) -> bool:
        """Whether everything after `seq` is still kept, for topics held since then."""
        return seq >= self._history_floor

    def join(self, outbox: Outbox, topics: Iterable[str], *, after: int) -> None:
        """Delivers everything of `topics` after feed number `after`: first kept messages, then new ones.

        The caller must have held the topics before it read `after`, and `reaches(after)` must be true.
        """
        joined = set(topics)
        for frame_topics, frame in self._history:
            # Even if another topic already delivered it: the snapshot before this may be older.
            if frame.seq > after and not joined.isdisjoint(frame_topics):
                outbox.put(frame)
        for topic in joined:
            self._index.setdefault(topic, {})[outbox] = after
        outbox.wake()

    def leave(self, outbox: Outbox, topics: Iterable[str]) -> None:
        for topic in topics:
            floors = self._index.get(topic)
            if floors is not None:
                floors.pop(outbox, None)
                if not floors:
                    del self._index[topic]
        self._forget_if_idle()

    def topics(self) -> frozenset[str]:
        """All topics that have subscribers or are held."""
        return frozenset((*self._index, *self._holds))

    def topics_of(self, outbox: Outbox) -> list[str]:
        return [topic for topic, floors in self._index.items() if outbox in floors]

    def _forget_if_idle(self) -> None:
        if not self._index and not self._holds:
            self._history.clear()
            self._history_bytes = 0
            self._history_floor = self._position
