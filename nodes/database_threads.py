"""Threads for database work, instead of Django's single thread-sensitive one.

There, one slow query would delay the messages of every socket and the turns of every conversation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseThreads:
    """Two small pools, so that actions that wait for an unreachable Leader never delay reads.

    Each has at most `size` threads, which start when they are needed.
    """

    def __init__(self, name: str, *, size: int) -> None:
        self._readers = ThreadPoolExecutor(size, thread_name_prefix=f"{name}-read")
        self._actors = ThreadPoolExecutor(size, thread_name_prefix=f"{name}-act")

    async def read(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await _run(self._readers, function, *args, **kwargs)

    async def act(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await _run(self._actors, function, *args, **kwargs)

    def close(self) -> None:
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._actors.shutdown(wait=False, cancel_futures=True)


async def _run(pool: ThreadPoolExecutor, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    def closing_connections() -> T:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.get_running_loop().run_in_executor(pool, closing_connections)
