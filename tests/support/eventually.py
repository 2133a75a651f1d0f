"""Waits for a condition instead of sleeping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any


async def eventually(condition: Callable[[], Any | Awaitable[Any]], timeout: float = 10.0, message: str = "") -> Any:
    """The condition's first true value; an AssertionError with its last value after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        looked = time.monotonic()
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        now = time.monotonic()
        if now > deadline:
            raise AssertionError(f"not within {timeout} s: {message or condition} (last: {value!r})")
        await asyncio.sleep(_pause(0.01, cost=now - looked))


def eventually_sync(condition: Callable[[], Any], timeout: float = 10.0, message: str = "") -> Any:
    """`eventually` for tests without an event loop."""
    deadline = time.monotonic() + timeout
    while True:
        looked = time.monotonic()
        value = condition()
        if value:
            return value
        now = time.monotonic()
        if now > deadline:
            raise AssertionError(f"not within {timeout} s: {message or condition} (last: {value!r})")
        time.sleep(_pause(0.02, cost=now - looked))


def _pause(least: float, *, cost: float) -> float:
    """An expensive condition is checked less often: the code under test needs the CPU more."""
    return min(max(least, 3 * cost), 0.25)
