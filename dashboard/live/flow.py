"""Tracks how far a client is behind: its window of unacknowledged messages, and the push latency from its ACKs.

A client that never sends an ACK (a base client) has no window; only the server's write buffer limits it. Pure: time is
passed in.
"""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import NamedTuple

WINDOW_MESSAGES = 1000
WINDOW_BYTES = 1 << 20
_LATENCY_SAMPLES = 5


class _Turn(NamedTuple):
    last_seq: int
    messages: int
    size_bytes: int
    published_mono: float  # Of its newest event; 0 = only answers.


class Flow:
    def __init__(self) -> None:
        self.is_acking = False
        self._turns: deque[_Turn] = deque()
        # Before the client's first ACK, only the last turn is kept.
        self._last_turn: tuple[int, float] | None = None
        self._messages = 0
        self._bytes = 0
        self._samples: deque[float] = deque(maxlen=_LATENCY_SAMPLES)

    @property
    def has_room(self) -> bool:
        return not self.is_acking or (self._messages < WINDOW_MESSAGES and self._bytes < WINDOW_BYTES)

    @property
    def push_ms(self) -> float | None:
        """Median of the latest samples, from publication to the client's ACK; None = not measured yet."""
        return round(median(self._samples) * 1000, 1) if self._samples else None

    def sent(self, *, last_seq: int, messages: int, size_bytes: int, published_mono: float) -> None:
        """The writer has sent one turn. `last_seq` 0 (nothing from the feed) is not tracked."""
        if not last_seq:
            return
        if not self.is_acking:
            self._last_turn = (last_seq, published_mono)
            return
        self._turns.append(_Turn(last_seq, messages, size_bytes, published_mono))
        self._messages += messages
        self._bytes += size_bytes

    def acked(self, seq: int, *, now: float, held_seconds: float = 0.0) -> bool:
        """The client has applied everything up to `seq`. Returns whether this made room. `held_seconds`: how long the
        client delayed the ACK.
        """
        self.is_acking = True
        newest = self._last_turn[1] if self._last_turn is not None and self._last_turn[0] <= seq else 0.0
        self._last_turn = None
        had_room = self.has_room
        while self._turns and self._turns[0].last_seq <= seq:
            newest = self._forget().published_mono or newest
        if newest:
            self._samples.append(max(0.0, now - newest - held_seconds))
        return not had_room and self.has_room

    def _forget(self) -> _Turn:
        turn = self._turns.popleft()
        self._messages -= turn.messages
        self._bytes -= turn.size_bytes
        return turn
