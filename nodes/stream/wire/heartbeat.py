"""When to send a heartbeat, and when the other side counts as gone. Pure: time is passed in."""

from __future__ import annotations

from enum import StrEnum

from nodes.stream.wire.limits import SILENCE_SECONDS


class Beat(StrEnum):
    PING = "ping"
    PONG = "pong"


class Heartbeat:
    """Any message counts as a sign of life; a Ping is sent only after `seconds` without outgoing traffic.

    Both ends run one. `grace_seconds` makes the child wait a little longer than its parent, so that on an idle link
    only one side pings and the other answers. At most one Ping and one Pong wait to be sent, however long the
    writer is stuck.
    """

    def __init__(self, *, seconds: float, now_mono: float, grace_seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.last_received_mono = now_mono
        # Round trip of the last answered Ping; 0 = not measured yet.
        self.rtt_seconds = 0.0
        self._grace_seconds = grace_seconds
        self._quiet_since_mono = now_mono  # When this side last sent something, or last requested a Ping.
        self._pinged_mono: float | None = None
        self._due: dict[Beat, None] = {}  # An ordered set.

    @property
    def silent_at(self) -> float:
        return self.last_received_mono + self.seconds + SILENCE_SECONDS

    @property
    def _ping_at(self) -> float:
        return self._quiet_since_mono + self.seconds + self._grace_seconds

    def next_deadline(self) -> float:
        return min(self._ping_at, self.silent_at)

    def is_silent(self, now_mono: float) -> bool:
        return now_mono >= self.silent_at

    def tick(self, now_mono: float) -> None:
        if now_mono >= self._ping_at:
            # Even if the writer is stuck and the Ping waits, the next one is due a full heartbeat from now.
            self._quiet_since_mono = now_mono
            self.ping()

    def ping(self) -> None:
        """Requests a Ping as soon as possible."""
        self._due[Beat.PING] = None

    def received(self, kind: str | None, now_mono: float) -> None:
        self.last_received_mono = now_mono
        if kind == Beat.PING:
            self._due[Beat.PONG] = None
        elif kind == Beat.PONG and self._pinged_mono is not None:
            self.rtt_seconds = now_mono - self._pinged_mono
            self._pinged_mono = None

    def take_due(self) -> Beat | None:
        """Removes and returns the beat to send now."""
        for beat in self._due:
            del self._due[beat]
            return beat
        return None

    def sent(self, kind: str | None, now_mono: float) -> None:
        self._quiet_since_mono = now_mono
        if kind == Beat.PING and self._pinged_mono is None:
            self._pinged_mono = now_mono
