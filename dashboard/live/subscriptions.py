"""One socket's subscriptions: each topic's state first, then everything after it, with a single cursor.

The client's position is one number. So all messages of other topics up to an answer's position are sent before that
answer, and no PONG contains a position while a SUBSCRIBE may still deliver something older.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from dashboard.live import process, replies
from dashboard.live.frames import Frame
from dashboard.live.messages import Cursor, Subscribe, Unsubscribe
from dashboard.live.outbox import Outbox
from dashboard.live.topics import DEFAULT_TOPICS

MAX_TOPICS = 200
_REACH_SECONDS = 2.0


class Subscriptions:
    """For one task at a time, except `begin`, `awaits`, `answered` and `close`, which never wait."""

    def __init__(
        self, live: process.Live, outbox: Outbox, *, reply: Callable[[Frame], None], send_position: Callable[[], None]
    ) -> None:
        self._live = live
        self._outbox = outbox
        self._reply = reply
        self._send_position = send_position
        self._is_closed = False
        # Position of the first answer: the client is complete up to here, whatever the broadcaster has delivered.
        self._base_seq = 0
        # Unanswered SUBSCRIBEs, and whether a PONG waits for them: their answers may be older than the feed's position.
        self._joins = 0
        self._owes_position = False
        # Default topics that follow AUTH unless the client subscribes to others.
        self._pending_topics: list[str] = []

    def begin(self) -> None:
        """The socket is authenticated: the default topics are pending."""
        self._base_seq = 0
        self._pending_topics = list(DEFAULT_TOPICS)

    def close(self) -> None:
        """From now on nothing is subscribed, not even by an answer in progress."""
        self._is_closed = True
        self._live.broadcaster.remove(self._outbox)

    def position(self) -> int | None:
        """The feed number up to which the client is complete; None while unknown (a PONG follows later)."""
        if self._joins:
            self._owes_position = True
            return None
        return self._outbox.position(max(self._live.broadcaster.position, self._base_seq))

    def awaits(self) -> None:
        """A SUBSCRIBE has arrived and is queued."""
        self._joins += 1

    def answered(self) -> None:
        """A queued SUBSCRIBE was answered."""
        self._joins -= 1
        if self._owes_position and not self._joins:
            self._owes_position = False
            self._send_position()

    async def subscribe_to_defaults(self, *, is_base: bool) -> None:
        """Subscribes to the default topics if the client has asked for none."""
        topics, self._pending_topics = self._pending_topics, []
        if topics:
            await self._join(topics, None, is_base=is_base)

    async def subscribe(self, message: Subscribe) -> None:
        try:
            await self._add_topics(message)
        finally:
            self.answered()

    async def ensure(self, topic: str) -> None:
        """Subscribes to this topic if needed."""
        if topic not in self._live.broadcaster.topics_of(self._outbox):
            await self._join([topic], None)

    def unsubscribe(self, message: Unsubscribe) -> None:
        self._pending_topics = [topic for topic in self._pending_topics if topic not in message.topics]
        self._live.broadcaster.leave(self._outbox, message.topics)

    async def _add_topics(self, message: Subscribe) -> None:
        topics = list(dict.fromkeys((*message.topics, *self._pending_topics)))
        mine = self._live.broadcaster.topics_of(self._outbox)
        if len({*topics, *mine}) > MAX_TOPICS:
            self._reply(replies.error("too-many-topics", f"A socket has at most {MAX_TOPICS} topics.", message.ref))
            return
        self._pending_topics = []
        await self._join(topics, message.start)

    async def _join(self, topics: list[str], since: Cursor | None, *, is_base: bool = False) -> None:
        broadcaster = self._live.broadcaster
        answer = await self._live.answers.get(topics, since, is_base=is_base)
        if not set(broadcaster.topics_of(self._outbox)) <= set(topics):
            # Messages of other topics up to the answer's position must come first, as the cursor is one number.
            await self._reached(answer.seq)
            answer = await self._live.answers.get(topics, since, is_base=is_base)
        if self._is_closed:
            return
        self._base_seq = self._base_seq or answer.seq
        self._outbox.put_answer(answer)
        broadcaster.join(self._outbox, topics, after=answer.seq)

    async def _reached(self, seq: int) -> None:
        """Waits until the feed reaches `seq`. Feed numbers may stay unused, so it gives up after a while; by then
        nothing below `seq` is pending.
        """
        deadline = time.monotonic() + _REACH_SECONDS
        # Polling, because this is rare and short, and an event per position would cost more.
        while self._live.broadcaster.position < seq and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
