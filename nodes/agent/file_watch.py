"""Waits for changes of one file, however it is replaced: written in place, renamed over, deleted, behind a new folder.

inotify on its folder wakes at once; a look every few seconds is enough where inotify is missing, for example on a
network file system, or for a folder that appears later.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nodes.waits import wait_at_most

LOOK_SECONDS = 5.0
_QUIET_SECONDS = 0.3  # Editors write in steps; a file counts once it has not changed for this long …
_SHORT_QUIET_SECONDS = 1.5  # … or this, if it is empty or missing, which is often only a moment in a replacement.
_SETTLE_SECONDS = 10.0  # A file that changes all the time is read at last.

# https://man7.org/linux/man-pages/man7/inotify.7.html
_IN_NONBLOCK, _IN_CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
# MODIFY, ATTRIB, CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE, DELETE_SELF, MOVE_SELF
_IN_CHANGES = 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800

State = tuple[int, int, int, int, int] | None
"""What identifies a file's content without reading it; None = there is no file."""


class FileWatch:
    """`changed` returns when there is reason to read the file again; `wake` makes it return soon."""

    def __init__(self, path: Path, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._path = path
        self._look_seconds = look_seconds
        self._event = asyncio.Event()

    def wake(self) -> None:
        self._event.set()

    async def changed(self, seen: State) -> State:
        """The file's state once it is not `seen` and has settled, or after `wake` or some seconds in any state."""
        with self._inotify():
            if file_state(self._path) == seen:  # Else it has changed before the watch was set up.
                await wait_at_most(self._event, self._look_seconds)
        self._event.clear()
        # Also if only other files of its folder change: they must not wake this node all the time.
        return await self._settled(file_state(self._path))

    async def _settled(self, state: State) -> State:
        loop = asyncio.get_running_loop()
        give_up = loop.time() + _SETTLE_SECONDS
        while loop.time() < give_up:
            await asyncio.sleep(_QUIET_SECONDS if state is not None and state[2] else _SHORT_QUIET_SECONDS)
            before, state = state, file_state(self._path)
            if state == before:
                break
        return state

    @contextmanager
    def _inotify(self) -> Iterator[None]:
        """Sets the event on any change in the folders of the file and of what it links to, while they exist."""
        libc = ctypes.CDLL(None)
        descriptor = libc.inotify_init1(_IN_NONBLOCK | _IN_CLOEXEC)
        if descriptor < 0:  # The limit of instances is reached.
            yield
            return
        # Not `Path.resolve`, which fails if links lead in a circle.
        for folder in {str(self._path.parent), os.path.dirname(os.path.realpath(self._path))}:
            libc.inotify_add_watch(descriptor, os.fsencode(folder), _IN_CHANGES)
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, self._event.set)
        try:
            yield
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)


def file_state(path: Path) -> State:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
