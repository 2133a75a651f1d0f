from __future__ import annotations

import random

import pytest

from nodes.waits import Backoff


def test_delays_double_up_to_the_cap_and_are_spread_over_the_upper_half() -> None:
    backoff = Backoff(first_seconds=1.0, cap_seconds=4.0, rng=random.Random(1))

    delays = [backoff.next_delay() for _ in range(5)]

    for delay, step in zip(delays, [1, 2, 4, 4, 4], strict=True):
        assert step / 2 <= delay <= step


def test_reset_starts_again_with_the_first_delay() -> None:
    backoff = Backoff(first_seconds=1.0, cap_seconds=60.0)
    for _ in range(6):
        backoff.next_delay()

    backoff.reset()

    assert backoff.next_delay() <= 1.0


@pytest.mark.parametrize(("first", "cap"), [(0, 1), (-1, 1), (2, 1)])
def test_invalid_values_are_refused(first: float, cap: float) -> None:
    with pytest.raises(ValueError, match="backoff needs"):
        Backoff(first, cap)
