"""Threads for reads of the database, which block."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection

T = TypeVar("T")

_READERS = 2


class Threads:
    def __init__(self) -> None:
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="chat-read")

    async def read(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, _closing, function)

    def close(self) -> None:
        self._readers.shutdown(wait=False, cancel_futures=True)


def _closing(function: Callable[[], T]) -> T:
    try:
        return function()
    finally:
        connection.close()
