"""Time as a parameter, so that a test can move it.

Durations are measured with `mono()`; `now_ms()` is for people and is never compared with another machine's.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Unix milliseconds."""

    def mono(self) -> float:
        """Seconds that only grow, from an arbitrary zero."""


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def mono(self) -> float:
        return time.monotonic()
