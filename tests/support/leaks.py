"""What a test leaves behind: tasks, threads, open files and sockets, child processes.

A snapshot costs a few system calls; only new items cost more.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

# How long something may take to end after the test.
PATIENCE_SECONDS = 5.0
# Threads that serve the whole process, from their first use on.
_SHARED_THREADS = (
    "asyncio_",  # The default executor of Daphne's loop; each test's own loop ends its executor.
    "ThreadPoolExecutor-",  # Used by asgiref and Twisted; our own pools have names.
    "PoolThread-twisted",
    "Thread-grpc",
)
_SHARED_TARGETS = ("_poll_wrapper",)  # grpc.aio polls for all of its channels.
# A task's supervisor outlives the runner that started it, and ends by itself.
_SHIM = "runner/shim/start.py"
# The connection of the test's own thread stays open for the next test. On SQLite each has its own write-ahead log; the
# database itself is closed late, when no other connection holds a lock on it.
_OWN_CONNECTIONS = 1


@dataclass(frozen=True)
class Held:
    threads: frozenset[threading.Thread]
    files: frozenset[tuple[str, int, int]]  # Number, device, inode.
    children: frozenset[str]


def snapshot() -> Held:
    return Held(frozenset(threading.enumerate()), _files(), _children())


def _files() -> frozenset[tuple[str, int, int]]:
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            status = os.fstat(int(number))
        except OSError:
            continue  # The descriptor of the listing itself, or closed since.
        found.add((number, status.st_dev, status.st_ino))
    return frozenset(found)


def _children() -> frozenset[str]:
    found: set[str] = set()
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/children") as children:
                found.update(children.read().split())
        except OSError:
            pass  # It has ended.
    return frozenset(found)


def left_since(before: Held) -> list[str]:
    """New items since `before` that do not go away by themselves."""
    if not (left := _new(before)):
        return []
    began = time.monotonic()
    has_collected = False
    while left and time.monotonic() < began + PATIENCE_SECONDS:
        time.sleep(0.01)
        if not has_collected and time.monotonic() > began + 0.2:
            gc.collect()  # Expensive, and usually something is just about to end.
            has_collected = True
        left = _new(before)
    return left


def _new(before: Held) -> list[str]:
    now = snapshot()
    threads = [f"thread {thread.name}" for thread in now.threads - before.threads if not _is_shared(thread)]
    commands = {pid: _command(pid) for pid in now.children - before.children}
    children = [f"process {pid}: {command}" for pid, command in commands.items() if _SHIM not in command]
    return threads + children + _new_files(now.files - before.files)


def _is_shared(thread: threading.Thread) -> bool:
    name = thread.name
    return name.startswith(_SHARED_THREADS) or any(target in name for target in _SHARED_TARGETS)


def _command(pid: str) -> str:
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            or "ended, not waited for"
        )
    except OSError:
        return "ended"


def _new_files(files: frozenset[tuple[str, int, int]]) -> list[str]:
    own = settings.DATABASES["default"]
    database = str(own["NAME"])
    server = str(own.get("HOST", ""))  # The folder of PostgreSQL's socket.
    found, of_database = [], []
    for number, _, _ in files:
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue  # Closed since.
        # A scratch file of SQLite belongs to a connection, which is counted. What gRPC and event loops wake themselves
        # with comes and goes with them; a loop that is not closed says so itself.
        if "/etilqs_" in target or target.startswith("anon_inode:"):
            continue
        if target.startswith("socket:"):
            peer = _unix_peer(int(number))
            if peer == "":
                continue
            if peer is not None and server and peer.startswith(server):
                of_database.append(f"connection {number}: {peer}")
                continue
        if not target.startswith(database):
            found.append(f"file {number}: {target}")
        elif target.endswith("-wal"):
            of_database.append(f"connection {number}: {target}")
    return found if len(of_database) <= _OWN_CONNECTIONS else found + of_database


def _unix_peer(number: int) -> str | None:
    """The path that a Unix socket is connected to, empty for one end of an unnamed pair; None for any other file."""
    try:
        end = socket.socket(fileno=number)
    except OSError:
        return None  # Not a socket, or closed since.
    try:
        if end.family != socket.AF_UNIX or end.getsockname():
            return None
        peer = end.getpeername()
    except OSError:
        return None
    finally:
        end.detach()
    return peer if isinstance(peer, str) else None


async def tasks_left() -> list[str]:
    """Tasks of this loop that do not end."""
    loop = asyncio.get_running_loop()
    me = asyncio.current_task()
    deadline = loop.time() + PATIENCE_SECONDS
    while left := [task for task in asyncio.all_tasks() if task is not me]:
        if loop.time() > deadline:
            return [f"task {task.get_name()}: {task.get_coro()}" for task in left]
        await asyncio.sleep(0 if loop.time() < deadline - PATIENCE_SECONDS + 0.01 else 0.01)
    return []
