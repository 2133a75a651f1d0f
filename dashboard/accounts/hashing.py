"""Password hashing on a few threads of low priority, whatever asks for it: a login, a new password, the admin pages.

A hash is slow on purpose. On the threads of requests, a flood of logins would take every core from everybody else.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from django.contrib.auth.hashers import PBKDF2PasswordHasher

T = TypeVar("T")

RETRY_AFTER_SECONDS = 5
_NICENESS = 10
_LONGEST_WAIT_SECONDS = 60.0


class HashingBusy(Exception):
    """The queue is full: nothing was checked. Try again after `RETRY_AFTER_SECONDS`."""


class HashPool:
    """At most `max_waiting` hashes wait or run; one more raises `HashingBusy` at once.

    At most `max_logins` of them are of logins, so that logged-in people can always set a password.
    """

    def __init__(self, *, threads: int, max_waiting: int = 24, max_logins: int = 8) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="hashing", initializer=_lower_priority)
        self._room = threading.Semaphore(max_waiting)
        self._logins = threading.Semaphore(max_logins)

    def run(self, function: Callable[[], T]) -> T:
        """Blocks until the function has run on a thread of the pool."""
        if not self._room.acquire(blocking=False):
            raise HashingBusy
        try:
            return self._executor.submit(function).result(_LONGEST_WAIT_SECONDS)
        except TimeoutError as exc:
            raise HashingBusy from exc
        finally:
            self._room.release()

    @contextmanager
    def login(self, *, is_known: Callable[[], bool]) -> Iterator[None]:
        """Around the check of a login. Raises `HashingBusy` when many are being checked, except for a known address;
        `is_known` is asked only then.
        """
        has_place = self._logins.acquire(blocking=False)
        if not has_place and not is_known():
            raise HashingBusy
        try:
            yield
        finally:
            if has_place:
                self._logins.release()

    def close(self) -> None:
        self._executor.shutdown()


class PooledPasswordHasher(PBKDF2PasswordHasher):
    """Django's default hasher, with the same hashes."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        return pool.run(partial(super().encode, password, salt, iterations))


def _lower_priority() -> None:
    """The event loop and requests go first. On Linux, the priority is a thread's own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


pool = HashPool(threads=max(1, (os.cpu_count() or 1) // 2))
