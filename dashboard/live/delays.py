"""Delays between tries to reach Redis or the database: doubling, capped, with jitter."""

from __future__ import annotations

import random


class Delays:
    def __init__(self, first_seconds: float = 0.2, cap_seconds: float = 5.0) -> None:
        self._first_seconds = first_seconds
        self._cap_seconds = cap_seconds
        self._step_seconds = first_seconds

    def next_seconds(self) -> float:
        step = self._step_seconds
        self._step_seconds = min(step * 2, self._cap_seconds)
        return step * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, not a secret

    def reset(self) -> None:
        """Call it when the other end has answered."""
        self._step_seconds = self._first_seconds
