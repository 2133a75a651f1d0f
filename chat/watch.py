"""Waits for the outcome of a command or task by listening to published messages."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from nodes.leader.projection.published import Published

Message = Mapping[str, Any]

_KEPT = 50


class Following:
    """Messages about one thing since `Watch.follow`, in order; only the newest ones are kept."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque(maxlen=_KEPT)
        self._came = asyncio.Event()

    def put(self, message: Message) -> None:
        self._messages.append(message)
        self._came.set()

    async def until(self, is_it: Callable[[Message], bool], seconds: float) -> Message | None:
        """The first message that matches; None on timeout."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    while self._messages:
                        message = self._messages.popleft()
                        if is_it(message):
                            return message
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            return None


class Watch:
    """A `nodes.leader.projection.published.Listener`; it stores only what is followed. Runs on the event loop."""

    def __init__(self) -> None:
        self._following: dict[str, list[Following]] = {}

    def wants(self, topic: str) -> bool:
        return False  # Followed messages are published anyway; this avoids encoding log batches.

    def publish(self, batch: Sequence[Published]) -> None:
        if not self._following:
            return
        for published in batch:
            for following in self._following.get(published.key, ()):
                following.put(published.body)

    @contextmanager
    def follow(self, key: str) -> Iterator[Following]:
        """Follows a key as in `Published.key`, such as "command:<id>". Start before acting, to miss nothing."""
        following = Following()
        self._following.setdefault(key, []).append(following)
        try:
            yield following
        finally:
            self._following[key].remove(following)
            if not self._following[key]:
                del self._following[key]
