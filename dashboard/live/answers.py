"""Answers to SUBSCRIBE: exactly the missed messages, or a snapshot. Built at most once a second for all sockets with
the same request.

While an answer may still be used, the broadcaster holds its topics: it keeps messages after the answer's position for
sockets that join with this answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from dashboard.live import replies
from dashboard.live.broadcaster import Broadcaster
from dashboard.live.frames import Answer, Frame
from dashboard.live.messages import Cursor
from dashboard.live.ports import Feed
from dashboard.live.topics import ALERTS
from nodes.database_threads import DatabaseThreads

MISSED_MESSAGES = 1000
MISSED_BYTES = 1 << 20
LIFETIME_SECONDS = 1.0
_TRIES = 4

_Key = tuple[tuple[str, ...], Cursor | None, bool]


class Answers:
    def __init__(
        self,
        feed: Feed,
        broadcaster: Broadcaster,
        threads: DatabaseThreads,
        *,
        lifetime_seconds: float = LIFETIME_SECONDS,
    ) -> None:
        self._feed = feed
        self._broadcaster = broadcaster
        self._threads = threads
        self._lifetime_seconds = lifetime_seconds
        self._building: dict[_Key, asyncio.Task[Answer]] = {}
        self.builds = 0

    async def get(self, topics: Sequence[str], since: Cursor | None = None, *, is_base: bool = False) -> Answer:
        """An answer for `Broadcaster.join`. Join before the next `await`, or messages may be missed.

        `is_base`: the client may know only the base messages, so the state is repeated as base messages. Raises
        database errors.
        """
        key = (tuple(sorted(set(topics))), since, is_base)
        for _ in range(_TRIES):
            task = self._building.get(key) or self._start(key)
            answer = await asyncio.shield(task)
            if self._broadcaster.reaches(answer.seq):
                return answer
            # With thousands of messages within a second, this answer is already too old.
            await asyncio.sleep(self._lifetime_seconds)
        raise TimeoutError("the feed is too fast for a snapshot")

    def _start(self, key: _Key) -> asyncio.Task[Answer]:
        topics = key[0]
        # Hold before reading the position, so that nothing committed later is missed.
        self._broadcaster.hold(topics)
        self.builds += 1
        task = asyncio.get_running_loop().create_task(self._threads.read(self._build, *key), name="live-answer")
        self._building[key] = task
        task.add_done_callback(lambda done: self._built(key, done))
        return task

    def _built(self, key: _Key, task: asyncio.Task[Answer]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._expire(key)
        else:
            asyncio.get_running_loop().call_later(self._lifetime_seconds, self._expire, key)

    def _expire(self, key: _Key) -> None:
        del self._building[key]
        self._broadcaster.release(key[0])

    # --- on a reader thread -----------------------------------------------------------------------

    def _build(self, topics: tuple[str, ...], since: Cursor | None, is_base: bool) -> Answer:
        # Position first, then state: a change in between is repeated, never missed.
        store, seq = self._feed.position()
        if since is not None and since.store in ("", store) and since.number <= seq:
            missed = self._missed(topics, since.number, store, seq)
            if missed is not None:
                return missed
        place = {"type": "SNAPSHOT", "store": store, "seq": str(seq), "topics": list(topics)}
        snapshot: dict[str, Any] = {**place, **self._feed.snapshot(topics), **place}
        if ALERTS in topics:
            snapshot["trouble"] = self._store_failure()
        messages = [snapshot, *(_base_messages(snapshot) if is_base else ())]
        return Answer([Frame(replies.encode(message), seq=seq) for message in messages], store=store, seq=seq)

    def _missed(self, topics: tuple[str, ...], since: int, store: str, seq: int) -> Answer | None:
        missed = self._feed.feed_since(since, topics, MISSED_MESSAGES + 1)
        if missed is None or len(missed) > MISSED_MESSAGES:
            return None
        frames = [Frame.of(published, 0.0) for published in missed]
        if ALERTS in topics and self._broadcaster.store_message is not None:
            # STORE messages are not in the feed and may have been missed; sending one twice is harmless.
            frames.append(Frame.of(self._broadcaster.store_message, 0.0))
        seq = max(seq, missed[-1].seq) if missed else seq
        frames.append(replies.pong(store=store, seq=seq, push_ms=None))
        answer = Answer(frames, store=store, seq=seq)
        return answer if answer.size_bytes <= MISSED_BYTES else None

    def _store_failure(self) -> dict[str, Any] | None:
        """The latest STORE message while the Leader cannot store anything, else None."""
        last = self._broadcaster.store_message
        return dict(last.body) if last is not None and last.body.get("state") == "failing" else None


def _base_messages(snapshot: dict[str, Any]) -> list[dict[str, Any]]:
    """The state as messages of the base specification."""
    place = {"store": snapshot["store"], "seq": snapshot["seq"]}
    found: list[dict[str, Any]] = []
    for name, kind, field in (("nodes", "NODE_STATUS", "node"), ("tasks", "TASK_UPDATE", "task")):
        items = snapshot.get(name)
        found += [{"type": kind, **place, field: item} for item in items if item] if isinstance(items, list) else []
    alerts = snapshot.get("alerts")
    found += [{**alert, "type": "ALERT", **place} for alert in alerts] if isinstance(alerts, list) else []
    return found
