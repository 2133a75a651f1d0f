"""The one task that writes to a socket: drains its outbox, no faster than the client takes it.

Daphne has no back-pressure, so the server's write buffer is watched (`transport`), and for a client that ACKs also the
window of what it has not applied (`flow`). A client that does not drain is reported as slow within 25 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from dashboard.live import replies
from dashboard.live.flow import Flow
from dashboard.live.frames import Frame
from dashboard.live.outbox import Outbox, Skipped
from dashboard.live.transport import WriteBuffer

Send = Callable[[dict[str, Any]], Awaitable[None]]

# More than this in the server's buffer, and nothing is added.
BUFFER_BYTES = 256 << 10
_TURN_BYTES = 64 << 10
_POLL_SECONDS = (0.0, 0.01, 0.02, 0.05)
# So many polls without room (a quarter of a second), and the client has fallen behind.
_BEHIND_POLLS = 7
CHECK_SECONDS = 5.0
STALLED_CHECKS = 4
# After so many messages of the feed, the client is told its position once it is quiet again.
_BURST_MESSAGES = 20
_QUIET_SECONDS = 1.0


class SlowClient(Exception):
    """It does not drain: its outbox has overflown, or nothing moved for too long."""


class Writer:
    """`say_position` puts a PONG into the outbox; `on_slow` is called, once, when nothing has moved for 20 s."""

    def __init__(
        self,
        send: Send,
        outbox: Outbox,
        flow: Flow,
        buffer: WriteBuffer,
        *,
        say_position: Callable[[], None],
        on_slow: Callable[[], None],
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self.is_batching = False
        self._send = send
        self._outbox = outbox
        self._flow = flow
        self._buffer = buffer
        self._say_position = say_position
        self._on_slow = on_slow
        self._check_seconds = check_seconds
        self._ready = asyncio.Event()
        outbox.wake = self._ready.set
        self._burst = 0
        self._is_waiting_for_ack = False
        self._sent_bytes = 0
        self._progress = -1.0
        self._still_checks = 0
        self._check: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Runs until cancelled. Raises `SlowClient` when the outbox has overflown."""
        try:
            while True:
                await self._wait()
                self._ready.clear()
                while self._outbox or self._outbox.is_overflown:
                    await self._wait_for_room()
                    await self._send_items(self._outbox.take(_TURN_BYTES))
        finally:
            if self._check is not None:
                self._check.cancel()

    async def _wait(self) -> None:
        if self._burst < _BURST_MESSAGES:
            await self._ready.wait()
            return
        try:
            async with asyncio.timeout(_QUIET_SECONDS):
                await self._ready.wait()
        except TimeoutError:
            self._say_position()
            self._burst = 0

    async def _wait_for_room(self) -> None:
        tries = 0
        while True:
            if self._outbox.is_overflown:
                raise SlowClient
            self._is_waiting_for_ack = not self._flow.has_room
            if not self._is_waiting_for_ack and self._buffer.pending_bytes() <= BUFFER_BYTES:
                return
            self._arm_check()
            await asyncio.sleep(_POLL_SECONDS[min(tries, len(_POLL_SECONDS) - 1)])
            tries += 1
            if tries == _BEHIND_POLLS:
                self._outbox.fall_behind()

    async def _send_items(self, items: Sequence[Frame | Skipped]) -> None:
        frames = [replies.gap(item) if isinstance(item, Skipped) else item for item in items]
        if not frames:
            return
        send = self._send
        # Checked before sending: a server that waits in `send` is watched too.
        self._arm_check()
        if self.is_batching and len(frames) > 1:
            await send({"type": "websocket.send", "text": f"[{','.join([frame.text for frame in frames])}]"})
        else:
            for frame in frames:
                await send(frame.event)
        self._account(frames)

    def _account(self, frames: Sequence[Frame]) -> None:
        last_seq, size, newest, numbered = 0, 0, 0.0, 0
        for frame in frames:
            size += frame.size_bytes
            if frame.seq:
                numbered += 1
                last_seq = max(last_seq, frame.seq)
                newest = frame.published_mono or newest
        self._sent_bytes += size
        self._burst += numbered
        self._flow.sent(last_seq=last_seq, messages=numbered, size_bytes=size, published_mono=newest)

    # --- a client that does not drain -------------------------------------------------------------

    def _arm_check(self) -> None:
        if self._check is None:
            self._check = asyncio.get_running_loop().call_later(self._check_seconds, self._check_progress)

    def _check_progress(self) -> None:
        """Every few seconds while anything is under way; an idle socket has no timer."""
        self._check = None
        pending = self._buffer.pending_bytes()
        if not pending and not self._is_waiting_for_ack:
            self._still_checks = 0
            return
        # What has left the buffer so far. Frame headers make it lag a little, never run ahead.
        drained = self._sent_bytes - pending
        moved = pending > 0 and drained > self._progress
        self._progress = max(self._progress, drained)
        self._still_checks = 0 if moved else self._still_checks + 1
        if not moved:
            # Also behind a server that waits in `send`.
            self._outbox.fall_behind()
        if self._still_checks >= STALLED_CHECKS:
            self._on_slow()
        else:
            self._arm_check()

    def acked(self) -> None:
        """The window has moved."""
        self._still_checks = 0
