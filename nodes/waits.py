"""Waits and delays that all parts share: for an event with a timeout, and between retries."""

from __future__ import annotations

import asyncio
import random


async def wait_at_most(event: asyncio.Event, seconds: float | None) -> None:
    """Waits until the event is set or `seconds` have passed; None = no limit. The caller checks which it was."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass  # A timeout is a normal end of this wait.


class Backoff:
    """Retry delays: doubling, capped, and jittered so that a thousand nodes do not reconnect at the same moment.

    `next_delay()` grows from `first_seconds` to `cap_seconds`; call `reset()` once the other end has proved healthy.
    Each delay is drawn from the upper half of its step: enough jitter, and never so short that the retry is wasted.
    """

    def __init__(self, first_seconds: float = 0.5, cap_seconds: float = 8.0, rng: random.Random | None = None) -> None:
        if not 0 < first_seconds <= cap_seconds:
            raise ValueError(f"backoff needs 0 < first ({first_seconds}) <= cap ({cap_seconds})")
        self._first_seconds = first_seconds
        self._cap_seconds = cap_seconds
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, keeps no secret
        self._step_seconds = first_seconds

    def next_delay(self) -> float:
        step = self._step_seconds
        self._step_seconds = min(step * 2, self._cap_seconds)
        return step * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        self._step_seconds = self._first_seconds
