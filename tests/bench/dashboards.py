"""Measuring dashboards: each opens a WebSocket and times every message that contains `stamp=<ns since the epoch>`.

    dashboards.py URL COUNT TOKEN|-

Prints "ready" when all are open (and, with a token, subscribed). At the end of standard input prints one JSON line:
{"frames": messages received, "latencies": [milliseconds]}.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

from websockets.asyncio.client import ClientConnection, connect

STAMP = re.compile(r"stamp=(\d+)")


class Dashboards:
    def __init__(self) -> None:
        self.frames = 0
        self.latencies: list[float] = []

    async def open(self, url: str, token: str | None) -> ClientConnection:
        socket = await connect(url, compression=None, max_queue=None, ping_interval=None, open_timeout=60)
        if token:
            await socket.send(json.dumps({"type": "AUTH", "token": token}))
            await self._until(socket, "AUTH_OK")
            await socket.send(json.dumps({"type": "SUBSCRIBE", "topics": ["tasks"]}))
            await self._until(socket, "SNAPSHOT")
        return socket

    @staticmethod
    async def _until(socket: ClientConnection, kind: str) -> None:
        async with asyncio.timeout(60):
            async for text in socket:
                if json.loads(text)["type"] == kind:
                    return
        raise AssertionError(f"closed before {kind}: {socket.close_code} {socket.close_reason}")

    async def listen(self, socket: ClientConnection, cursors: bool) -> None:
        """Acknowledges like a page, at most four times a second.

        Counts each stamp once: when a node disconnects, its tasks are sent again with their old message.
        """
        last_ack = 0.0
        last_stamp = 0
        async for text in socket:
            now = time.time_ns()
            assert isinstance(text, str)
            self.frames += 1
            if (found := STAMP.search(text)) and (stamp := int(found[1])) > last_stamp:
                last_stamp = stamp
                self.latencies.append((now - stamp) / 1e6)
            if cursors and time.monotonic() - last_ack > 0.25 and '"seq"' in text:
                last_ack = time.monotonic()
                await socket.send(json.dumps({"type": "ACK", "cursor": json.loads(text)["seq"]}))


async def main(url: str, count: int, token: str | None) -> None:
    dashboards = Dashboards()
    sockets = [await dashboards.open(url, token) for _ in range(count)]
    listeners = [asyncio.create_task(dashboards.listen(socket, token is not None)) for socket in sockets]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for listener in listeners:
        listener.cancel()
    print(json.dumps({"frames": dashboards.frames, "latencies": dashboards.latencies}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), None if sys.argv[3] == "-" else sys.argv[3]))
