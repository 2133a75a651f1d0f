"""The wait that may end in two ways: the event, or the time."""

from __future__ import annotations

import asyncio


async def wait_at_most(event: asyncio.Event, seconds: float | None) -> None:
    """Until the event is set, or so long; None = as long as it takes."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass  # The other way for it to end: the caller looks what is true then.
