"""Wait for an event with a timeout."""

from __future__ import annotations

import asyncio


async def wait_at_most(event: asyncio.Event, seconds: float | None) -> None:
    """Waits until the event is set or `seconds` have passed; None = no limit. The caller checks which it was."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass  # A timeout is a normal end of this wait.
