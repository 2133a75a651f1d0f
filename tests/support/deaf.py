"""A dashboard that never reads: its kernel buffer is small, so the server soon notices."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence

_ESTABLISHED = 1


class DeafClient:
    """A raw socket that upgrades, authenticates, subscribes, and never reads again."""

    def __init__(self, port: int, token: str = "viewer", *, topics: Sequence[str] = ("tasks",)) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(
            f"GET /ws/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.socket.recv(4096)
        self._send({"type": "AUTH", "token": token})
        self._send({"type": "SUBSCRIBE", "topics": list(topics)})

    @property
    def is_open(self) -> bool:
        return self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)[0] == _ESTABLISHED

    def _send(self, message: dict[str, object]) -> None:
        payload = json.dumps(message).encode()
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2)
        self.socket.sendall(b"\x81" + length + bytes(4) + payload)
