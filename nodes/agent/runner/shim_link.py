"""The agent's end of a shim's socket, and the start of a shim."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import re2

from nodes.agent.runner.shim import layout
from nodes.agent.runner.task_folder import TaskFolder

_START = Path(__file__).parent / "shim" / "start.py"
_RE2_FOLDER = Path(re2.__file__).parents[1]  # The shim's interpreter has no site packages; it uses only this one.
_REPLY_SECONDS = 10.0
_LINE_LIMIT = 1 << 20

Message = dict[str, Any]


class LinkClosed(Exception):
    """The shim has closed the connection, or has exited."""


class ShimLink:
    """`run` reads until the shim closes the link; several callers may use `request` meanwhile."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._replies: dict[int, asyncio.Future[Message]] = {}

    async def run(self, on_message: Callable[[Message], None]) -> None:
        """Returns when the connection has ended; open requests then raise LinkClosed.

        `on_message` gets every message, including replies, in the order in which the shim sent them: a caller of
        `request` runs later, when a newer state may already have arrived.
        """
        try:
            while line := await self._reader.readline():
                message: Message = json.loads(line)
                on_message(message)
                waiting = self._replies.pop(message.get("id", 0), None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
        except (OSError, ValueError):
            pass  # A broken connection counts as ended.
        finally:
            self.close()

    async def request(self, do: str, **fields: object) -> Message:
        """The shim's answer. Raises LinkClosed."""
        number = next(self._numbers)
        reply: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        self._send({"id": number, "do": do, **fields})
        try:
            async with asyncio.timeout(_REPLY_SECONDS):
                return await reply
        except TimeoutError as error:
            raise LinkClosed(f"no reply to {do} within {_REPLY_SECONDS:g} s") from error
        finally:
            self._replies.pop(number, None)

    def watch(self, after: int) -> None:
        """Requests one `grew` event as soon as the output is longer than `after` bytes."""
        self._send({"do": "watch", "after": after})

    def close(self) -> None:
        self._writer.close()
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(LinkClosed("the shim has closed the connection"))

    def _send(self, message: Message) -> None:
        if not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")
        elif isinstance(message.get("id"), int):
            self._replies[message["id"]].set_exception(LinkClosed("the shim has closed the connection"))


class Shims:
    """Starts shims and reaps them; init reaps those that outlive the agent."""

    def __init__(self) -> None:
        self._waiting: dict[int, int] = {}  # pidfd → pid

    async def start(self, folder: TaskFolder, request: Mapping[str, object]) -> ShimLink:
        """Raises OSError. The shim's first event is `started` or `ended`."""
        ours, theirs = socket.socketpair()
        try:
            pid = _spawn(folder, theirs)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        pidfd = os.pidfd_open(pid)
        self._waiting[pidfd] = pid
        asyncio.get_running_loop().add_reader(pidfd, self._reap, pidfd)
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=_LINE_LIMIT)
        writer.write(json.dumps(request).encode() + b"\n")
        return ShimLink(reader, writer)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for pidfd in self._waiting:
            loop.remove_reader(pidfd)
            os.close(pidfd)
        self._waiting.clear()

    def _reap(self, pidfd: int) -> None:
        asyncio.get_running_loop().remove_reader(pidfd)
        os.waitpid(self._waiting.pop(pidfd), 0)
        os.close(pidfd)


async def connect(folder: TaskFolder) -> ShimLink:
    """Connects to a running shim. Raises OSError."""
    descriptor = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Not by the real path, which may be longer than a socket address allows.
        reader, writer = await asyncio.open_unix_connection(
            f"/proc/self/fd/{descriptor}/{layout.SOCKET}", limit=_LINE_LIMIT
        )
    finally:
        os.close(descriptor)
    return ShimLink(reader, writer)


def _spawn(folder: TaskFolder, theirs: socket.socket) -> int:
    """Starts a bare interpreter (-I -S: no site, no user settings) in its own session, without our descriptors."""
    os.set_inheritable(theirs.fileno(), True)
    arguments = [sys.executable, "-I", "-S", str(_START), str(folder.path), str(theirs.fileno()), str(_RE2_FOLDER)]
    return os.posix_spawn(
        sys.executable,
        arguments,
        {"LC_ALL": "C.UTF-8"},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, str(folder.errors), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        ],
        setsid=True,
        setsigmask=[signal.SIGHUP],  # Until the shim ignores it.
    )
