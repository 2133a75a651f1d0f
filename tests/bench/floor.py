"""The floor: grpc.aio stream → fsync'd sqlite3 insert → raw ASGI WebSocket on Daphne, one process, no Django.

Anything above these figures is the product's own cost.

    floor.py serve GRPC_PORT HTTP_PORT DATABASE      the server; GET /?count=N sends N frames to every client, at RATE
    floor.py send GRPC_PORT EVENTS RATE              a worker that sends stamped events
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

METHOD = "/floor.Push/Stream"
# As long as a TASK_UPDATE of the product.
PADDING = "x" * 400
RATE = 50.0

Send = Callable[[dict[str, Any]], Awaitable[None]]


class Floor:
    def __init__(self, database: str) -> None:
        self._browsers: set[Send] = set()
        self._thread = concurrent.futures.ThreadPoolExecutor(1)
        self._database = self._thread.submit(self._open, database).result()

    @staticmethod
    def _open(path: str) -> sqlite3.Connection:
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, text TEXT)")
        return database

    def _insert(self, text: str) -> None:
        self._database.execute("INSERT INTO event (text) VALUES (?)", (text,))

    async def broadcast(self, text: str) -> None:
        for send in list(self._browsers):
            await send({"type": "websocket.send", "text": text})

    async def stream(self, messages: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        async for message in messages:
            text = message.decode()
            await loop.run_in_executor(self._thread, self._insert, text)
            await self.broadcast(text)
            yield b"ack"

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        if scope["type"] == "http":
            count = int(scope["query_string"].partition(b"=")[2] or 0)
            frame = json.dumps({"type": "EVENT", "padding": PADDING})
            start = time.monotonic()
            for number in range(count):
                # At the product's rate: frames sent in one burst would share their system calls.
                await asyncio.sleep(max(0.0, start + number / RATE - time.monotonic()))
                await self.broadcast(frame)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"done"})
            return
        await receive()
        await send({"type": "websocket.accept"})
        self._browsers.add(send)
        try:
            while (await receive())["type"] != "websocket.disconnect":
                pass
        finally:
            self._browsers.discard(send)


def serve(grpc_port: int, http_port: int, database: str) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    from twisted.internet import asyncioreactor

    asyncioreactor.install(loop)
    from daphne.server import Server

    floor = Floor(database)
    server: grpc.aio.Server | None = None

    async def start() -> None:
        nonlocal server  # A grpc.aio server stops when it is garbage-collected.
        server = grpc.aio.server()
        handler = grpc.method_handlers_generic_handler(
            "floor.Push", {"Stream": grpc.stream_stream_rpc_method_handler(floor.stream)}
        )
        server.add_generic_rpc_handlers((handler,))
        server.add_insecure_port(f"127.0.0.1:{grpc_port}")
        await server.start()
        print("ready", flush=True)

    Server(
        application=floor,
        endpoints=[f"tcp:port={http_port}:interface=127.0.0.1"],
        ready_callable=lambda: loop.create_task(start()),
        websocket_timeout=-1,
    ).run()


async def send(grpc_port: int, events: int, rate: float) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
        call = channel.stream_stream(METHOD)()
        start = time.monotonic()
        for number in range(events):
            await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
            await call.write(json.dumps({"type": "EVENT", "text": f"stamp={time.time_ns()}", "p": PADDING}).encode())
            await call.read()
        await call.done_writing()


if __name__ == "__main__":
    role, *rest = sys.argv[1:]
    if role == "serve":
        serve(int(rest[0]), int(rest[1]), rest[2])
    else:
        asyncio.run(send(int(rest[0]), int(rest[1]), float(rest[2])))
