"""Dashboards without a browser: sockets that behave like the page, any number of them on one thread."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.faults.view import View
from tests.support.eventually import eventually_sync

T = TypeVar("T")

TOPICS = ("nodes", "tasks", "alerts", "logs")
_ACK_SECONDS = 0.25
_FIRST_DELAY, _CAP_DELAY = 0.1, 2.0  # Shorter than the page's delays.


class Watcher:
    """One socket, over any number of connections: authenticates, resumes from its position, acknowledges."""

    def __init__(self, url: str, token: Callable[[], str], *, topics: tuple[str, ...], acks: bool) -> None:
        self._url, self._token, self._topics, self._acks = url, token, topics, acks
        self._lock = threading.Lock()
        self._view = View()
        self._socket: ClientConnection | None = None
        self.is_live = False
        self.connections = 0
        self.close_codes: list[int | None] = []
        self.first_position = 0  # Position of this connection's first SNAPSHOT.
        self.current_at = 0.0  # time.monotonic() of the last SNAPSHOT or PONG: nothing before it is missing.

    def view(self) -> View:
        """A consistent copy."""
        with self._lock:
            return self._view.copy()

    @property
    def seq(self) -> int:
        return self._view.seq

    def forget_position(self) -> None:
        """The next connection starts with a snapshot, like a newly opened page."""
        with self._lock:
            self._view.store = ""

    @property
    def store(self) -> str:
        return self._view.store

    async def run(self) -> None:
        delay = _FIRST_DELAY
        while True:
            try:
                async with connect(
                    self._url, max_size=None, max_queue=None, compression=None, ping_interval=None
                ) as socket:
                    self._socket = socket
                    await self._run_connection(socket)
            except (OSError, WebSocketException, TimeoutError):
                pass  # Refused, cut or silent: reconnects, like the page.
            if self._socket is not None:
                self.close_codes.append(self._socket.close_code)
                delay = _FIRST_DELAY if self.is_live else delay
            self._socket, self.is_live = None, False
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, _CAP_DELAY)

    async def ping(self) -> None:
        if self._socket is not None and self.is_live:
            try:
                await self._socket.send('{"type":"PING"}')
            except WebSocketException:
                pass  # Cut meanwhile: `run` notices it too.

    async def cut(self) -> None:
        """Cuts the connection like a network failure, without a close."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def _run_connection(self, socket: ClientConnection) -> None:
        await self._send(socket, type="AUTH", token=self._token(), batch=True)
        heartbeat = 5.0
        acked, acked_at = 0, 0.0
        timer: asyncio.Task[None] | None = None
        silent_since = time.monotonic()
        try:
            while True:
                try:
                    async with asyncio.timeout(heartbeat):
                        text = await socket.recv()
                except TimeoutError:
                    if time.monotonic() - silent_since > 2.5 * heartbeat:
                        socket.transport.abort()
                        return
                    await self._send(socket, type="PING")
                    continue
                silent_since = time.monotonic()
                messages = json.loads(text)
                for message in messages if isinstance(messages, list) else [messages]:
                    if message["type"] == "AUTH_OK":
                        heartbeat = message["heartbeatSeconds"]
                        await self._subscribe(socket, message["store"])
                    else:
                        self._fold(message)
                if self._acks and self._view.seq != acked and time.monotonic() - acked_at >= _ACK_SECONDS:
                    acked, acked_at = self._view.seq, time.monotonic()
                    await self._send(socket, type="ACK", cursor=self._view.cursor)
                elif self._acks and self._view.seq != acked and (timer is None or timer.done()):
                    timer = asyncio.create_task(self._ack_later(socket))
        finally:
            if timer is not None:
                timer.cancel()

    async def _ack_later(self, socket: ClientConnection) -> None:
        await asyncio.sleep(_ACK_SECONDS)
        try:
            await self._send(socket, type="ACK", cursor=self._view.cursor)
        except WebSocketException:
            pass  # Cut meanwhile: `run` notices it too.

    async def _subscribe(self, socket: ClientConnection, store: str) -> None:
        self.connections += 1
        self.first_position = 0
        since = {"since": self._view.cursor} if self._view.store == store else {}
        unwanted = [topic for topic in TOPICS[:3] if topic not in self._topics]
        if unwanted:
            await self._send(socket, type="UNSUBSCRIBE", topics=unwanted)
        await self._send(socket, type="SUBSCRIBE", topics=list(self._topics), **since)
        await self._send(socket, type="PING")

    def _fold(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._view.fold(message)
        if message["type"] == "SNAPSHOT":
            self.first_position = self.first_position or int(message["seq"])
        if message["type"] in ("SNAPSHOT", "PONG"):
            self.is_live = True
            self.current_at = time.monotonic()

    @staticmethod
    async def _send(socket: ClientConnection, **message: Any) -> None:
        await socket.send(json.dumps(message))


class Watchers:
    """The thread that runs them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="watchers")
        self._tasks: dict[Watcher, asyncio.Task[None]] = {}
        self._thread.start()

    def open(
        self, url: str, token: Callable[[], str], *, topics: tuple[str, ...] = TOPICS, acks: bool = True
    ) -> Watcher:
        watcher = Watcher(url, token, topics=topics, acks=acks)

        async def start() -> None:
            self._tasks[watcher] = asyncio.create_task(watcher.run())

        self._call(start())
        return watcher

    def close(self, watcher: Watcher) -> None:
        async def end() -> None:
            task = self._tasks.pop(watcher)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._call(end())

    def cut(self, watcher: Watcher) -> None:
        self._call(watcher.cut())

    def catch_up(self, watcher: Watcher, store: str, seq: int, timeout: float = 30.0) -> None:
        """Waits until the watcher has everything up to there."""

        pinged_at = 0.0

        def is_there() -> bool:
            nonlocal pinged_at
            if watcher.store == store and watcher.seq >= seq:
                return True
            if self._tasks[watcher].done():
                self._tasks[watcher].result()  # Raises what ended it.
            if time.monotonic() - pinged_at > 0.5:  # More often would violate the rate limit.
                pinged_at = time.monotonic()
                self._call(watcher.ping())
            return False

        def state() -> str:
            return f"watcher at {watcher.store}:{watcher.seq} of {store}:{seq}, closed with {watcher.close_codes[-5:]}"

        try:
            eventually_sync(is_there, timeout)
        except AssertionError:
            raise AssertionError(state()) from None

    def stop(self) -> None:
        for watcher in list(self._tasks):
            self.close(watcher)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)
