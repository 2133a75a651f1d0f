"""Threads for database work of the live side, instead of Django's single thread-sensitive one.

There, one slow query would delay the messages of every socket.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

P = ParamSpec("P")
T = TypeVar("T")

_READERS = 4
_ACTORS = 4


class Threads:
    """Two small pools, so that actions that wait for an unreachable Leader never delay reads."""

    def __init__(self) -> None:
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="live-read")
        self._actors = ThreadPoolExecutor(_ACTORS, thread_name_prefix="live-act")

    async def read(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, lambda: _closing_connections(function, *args, **kwargs)
        )

    async def act(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self._actors, lambda: _closing_connections(function, *args, **kwargs)
        )

    def close(self) -> None:
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._actors.shutdown(wait=False, cancel_futures=True)


def _closing_connections(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    close_old_connections()
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()
