"""The only task that writes to a socket. Drains the outbox, no faster than the client reads.

Daphne has no back-pressure, so this watches the server's write buffer (`transport`) and, for clients that send ACKs,
their window (`flow`). A client that does not drain is reported as slow within 25 s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from dashboard.live import replies
from dashboard.live.flow import Flow
from dashboard.live.frames import Frame
from dashboard.live.outbox import Outbox, Skipped
from dashboard.live.transport import WriteBuffer

Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]

# With more than this in the server's buffer, nothing is sent.
BUFFER_BYTES = 256 << 10
_TURN_BYTES = 64 << 10
_POLL_SECONDS = (0.0, 0.01, 0.02, 0.05)
# After this many polls without room (a quarter of a second) the client has fallen behind.
_BEHIND_POLLS = 7
CHECK_SECONDS = 5.0
STALLED_CHECKS = 4
# After this many feed messages the client gets its position once the feed is quiet.
_BURST_MESSAGES = 20
_QUIET_SECONDS = 1.0


class SlowClient(Exception):
    """The client does not drain: its outbox has overflown, or nothing was sent for too long."""


class Writer:
    """`send_position` puts a PONG into the outbox. `on_slow` is called once, after 20 s without progress."""

    def __init__(
        self,
        send: Send,
        outbox: Outbox,
        flow: Flow,
        buffer: WriteBuffer,
        *,
        send_position: Callable[[], None],
        on_slow: Callable[[], None],
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self.is_batching = False
        self._send = send
        self._outbox = outbox
        self._flow = flow
        self._buffer = buffer
        self._send_position = send_position
        self._on_slow = on_slow
        self._check_seconds = check_seconds
        self._ready = asyncio.Event()
        self._is_idle = False
        self._failure: Exception | None = None
        outbox.wake = self._wake
        self._clock = time.monotonic
        self._burst = 0
        self._last_sent = 0.0
        self._quiet: asyncio.TimerHandle | None = None
        self._is_waiting_for_ack = False
        self._sent_bytes = 0
        self._progress = -1.0
        self._still_checks = 0
        self._check: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Runs until cancelled. Raises `SlowClient` when the outbox has overflown."""
        outbox = self._outbox
        try:
            while True:
                self._is_idle = not outbox
                await self._ready.wait()
                self._ready.clear()
                self._is_idle = False
                if self._failure is not None:
                    raise self._failure
                while outbox or outbox.is_overflown:
                    if outbox.is_overflown or not self._has_room():
                        await self._wait_for_room()
                    await self._send_items(outbox.take(_TURN_BYTES))
        finally:
            self._is_idle = False
            for timer in (self._check, self._quiet):
                if timer is not None:
                    timer.cancel()

    def _has_room(self) -> bool:
        return self._flow.has_room and self._buffer.pending_bytes() <= BUFFER_BYTES

    async def _wait_for_room(self) -> None:
        tries = 0
        while True:
            if self._outbox.is_overflown:
                raise SlowClient
            if self._has_room():
                self._is_waiting_for_ack = False
                return
            self._is_waiting_for_ack = not self._flow.has_room
            self._arm_check()
            await asyncio.sleep(_POLL_SECONDS[min(tries, len(_POLL_SECONDS) - 1)])
            tries += 1
            if tries == _BEHIND_POLLS:
                self._outbox.fall_behind()

    async def _send_items(self, items: Sequence[Frame | Skipped]) -> None:
        frames = [replies.gap(item) if isinstance(item, Skipped) else item for item in items]
        if self._check is None:
            # Before sending, so that a server that waits in `send` is watched too.
            self._arm_check()
        for event in self._events(frames):
            await self._send(event)
        self._account(frames)

    def _wake(self) -> None:
        """Sends right away if the client is idle, usually one message: waking the task costs more CPU."""
        outbox = self._outbox
        if (
            self._is_idle
            and self._buffer.takes_at_once
            and not outbox.is_overflown
            and not self._ready.is_set()
            and self._has_room()
        ):
            sending = self._send_items(outbox.take(_TURN_BYTES))
            try:
                # A coroutine that never waits ends at its first step. If a future `send` of Daphne waits, every test
                # of `/ws/` fails with the error below.
                sending.send(None)
            except StopIteration:
                if not outbox:
                    return
            except Exception as exc:  # noqa: BLE001 - re-raised in `run`; other sockets of the batch continue
                self._failure = exc
            else:
                sending.close()
                self._failure = RuntimeError("the server's send waited, contrary to `takes_at_once`")
        self._ready.set()

    def _events(self, frames: Sequence[Frame]) -> Iterable[dict[str, Any]]:
        if self.is_batching and len(frames) > 1:
            return ({"type": "websocket.send", "text": f"[{','.join([frame.text for frame in frames])}]"},)
        return [frame.event for frame in frames]

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
        if self._burst >= _BURST_MESSAGES:
            self._last_sent = self._clock()
            if self._quiet is None:
                self._quiet = asyncio.get_running_loop().call_later(_QUIET_SECONDS, self._check_quiet)
        self._flow.sent(last_seq=last_seq, messages=numbered, size_bytes=size, published_mono=newest)

    def _check_quiet(self) -> None:
        """Sends the position once the feed is quiet. One timer per second during a burst, not one per message."""
        self._quiet = None
        silent = self._clock() - self._last_sent
        if silent < _QUIET_SECONDS / 2 or self._outbox:
            self._quiet = asyncio.get_running_loop().call_later(_QUIET_SECONDS, self._check_quiet)
            return
        self._burst = 0
        self._send_position()

    # --- a client that does not drain -------------------------------------------------------------

    def _arm_check(self) -> None:
        if self._check is None:
            self._check = asyncio.get_running_loop().call_later(self._check_seconds, self._check_progress)

    def _check_progress(self) -> None:
        """Detects a client that does not drain. Runs every few seconds, but only while anything is unsent."""
        self._check = None
        pending = self._buffer.pending_bytes()
        if not pending and not self._is_waiting_for_ack:
            self._still_checks = 0
            return
        # Bytes that have left the buffer. Frame headers make it slightly too low, never too high.
        drained = self._sent_bytes - pending
        moved = pending > 0 and drained > self._progress
        self._progress = max(self._progress, drained)
        self._still_checks = 0 if moved else self._still_checks + 1
        if not moved:
            # Also covers a server that waits in `send`.
            self._outbox.fall_behind()
        if self._still_checks >= STALLED_CHECKS:
            self._on_slow()
        else:
            self._arm_check()

    def acked(self) -> None:
        """An ACK has moved the window."""
        self._still_checks = 0
