"""The task's standard input: kept open, written without blocking, each command's bytes at most once."""

from __future__ import annotations

import os
import select

MAX_WAITING_BYTES = 1 << 20


class StandardInput:
    """`descriptor` None: the task reads /dev/null."""

    def __init__(self, descriptor: int | None, *, epoll: select.epoll) -> None:
        self._descriptor = descriptor
        self._epoll = epoll
        self._waiting = bytearray()
        self._closing = False
        if descriptor is not None:
            # No events requested: the kernel still reports when the last reader is gone.
            epoll.register(descriptor, 0)

    @property
    def inode(self) -> int:
        """Inode of the pipe; a process with a descriptor of this inode reads this input. 0 = closed."""
        return os.fstat(self._descriptor).st_ino if self._descriptor is not None and not self._closing else 0

    @property
    def is_open(self) -> bool:
        return self._descriptor is not None and not self._closing

    def owns(self, descriptor: int) -> bool:
        return self._descriptor is not None and descriptor == self._descriptor

    def has_room(self, size_bytes: int) -> bool:
        return len(self._waiting) + size_bytes <= MAX_WAITING_BYTES

    def write(self, data: bytes) -> None:
        self._waiting += data
        self._flush()

    def close(self) -> None:
        """Closes the input: the task reads what was written before, then end of file."""
        self._closing = True
        self._flush()

    def handle(self, events: int) -> None:
        if events & (select.EPOLLERR | select.EPOLLHUP):
            self._release()
        else:
            self._flush()

    def _flush(self) -> None:
        if self._descriptor is None:
            return
        try:
            while self._waiting:
                del self._waiting[: os.write(self._descriptor, self._waiting)]
        except BlockingIOError:  # The pipe is full; written when the task has read.
            self._epoll.modify(self._descriptor, select.EPOLLOUT)
            return
        except OSError:
            self._release()  # No reader is left.
            return
        if self._closing:
            self._release()
        else:
            self._epoll.modify(self._descriptor, 0)

    def _release(self) -> None:
        if self._descriptor is not None:
            self._epoll.unregister(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None
            self._waiting.clear()
