"""Time as a parameter, so that a test can move it.

Measure durations with `mono()`. `now_ms()` is for display; never compare it with another machine's clock.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def now_ms(self) -> int:
        """Unix milliseconds."""

    def mono(self) -> float:
        """Monotonic seconds from an arbitrary zero."""


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def mono(self) -> float:
        return time.monotonic()
