"""A TCP proxy that counts bytes and can swallow them, like a broken network: no end of file, no reset."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TcpProxy:
    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.port = 0
        self.is_frozen = False
        self.chunks = {"up": 0, "down": 0}
        self.size_bytes = {"up": 0, "down": 0}
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    def reset_counts(self) -> None:
        self.chunks = {"up": 0, "down": 0}
        self.size_bytes = {"up": 0, "down": 0}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._writers += [writer, target_writer]
        pipes = (("up", reader, target_writer), ("down", target_reader, writer))
        for name, source, sink in pipes:
            task = asyncio.create_task(self._pipe(name, source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pipe(self, name: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(65536):
                if self.is_frozen:
                    continue
                self.chunks[name] += 1
                self.size_bytes[name] += len(chunk)
                sink.write(chunk)
                await sink.drain()
        except OSError:
            pass
        finally:
            if not self.is_frozen:
                sink.close()

    async def aclose(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)  # The transports close on the next turn of the event loop.


@asynccontextmanager
async def proxy_to(target_port: int) -> AsyncIterator[TcpProxy]:
    proxy = TcpProxy(target_port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.aclose()
