"""The server's write buffer behind an ASGI `send`. Daphne accepts any amount, so the buffer must be watched.

Daphne passes `partial(handle_reply, protocol)`, whose Twisted transport buffers what the kernel has not taken.
uvicorn's `send` is a method of the protocol, with an asyncio transport. With another server the buffer is unknown and
counts as empty; its `send` must wait itself.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from autobahn.exception import Disconnected
from twisted.internet.interfaces import ISSLTransport

# The kernel's send buffer per dashboard. By default it may grow to megabytes, which would hide a stuck client.
_KERNEL_BUFFER_BYTES = 256 << 10

# What `send` raises when the client has disconnected and the server has not reported it yet: Daphne's and ASGI's own.
GONE = (Disconnected, OSError)


class WriteBuffer:
    def __init__(self, send: Callable[..., Any]) -> None:
        self._transport = _transport_of(send)
        # Daphne's WebSocket scope does not say whether TLS is used.
        self.is_secure = bool(self._transport is not None and ISSLTransport.providedBy(self._transport))
        self._is_twisted = hasattr(self._transport, "dataBuffer")
        self._limit_kernel_buffer()

    @property
    def takes_at_once(self) -> bool:
        """Whether the server's `send` never waits (as Daphne's), so that its coroutine can run without a task."""
        return self._is_twisted

    def pending_bytes(self) -> int:
        """Bytes sent but not yet taken by the kernel."""
        transport = self._transport
        if self._is_twisted:
            # Twisted has no public name for this. `test_the_write_buffer_of_daphne_can_be_seen` guards it.
            return int(len(transport.dataBuffer) - transport.offset + transport._tempDataLen)
        if transport is not None and hasattr(transport, "get_write_buffer_size"):
            return int(transport.get_write_buffer_size())
        return 0

    def abort(self) -> None:
        """Drops the connection and its buffer; no effect if it is already closed."""
        transport = self._transport
        for name in ("abortConnection", "abort"):
            if hasattr(transport, name):
                getattr(transport, name)()
                return

    def _limit_kernel_buffer(self) -> None:
        connection = getattr(self._transport, "socket", None)
        if connection is None and hasattr(self._transport, "get_extra_info"):
            connection = self._transport.get_extra_info("socket")
        if connection is not None and hasattr(connection, "setsockopt"):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER_BYTES)


def _transport_of(send: Callable[..., Any]) -> Any:
    owner = send.args[0] if isinstance(send, partial) and send.args else getattr(send, "__self__", None)
    # Under TLS this is a wrapper that forwards unknown attributes.
    return getattr(owner, "transport", None)
