"""Daphne's limit for a WebSocket message is for what clients send; the library holds its own messages to it, too.

A snapshot of a large fleet is larger than anything that a client may say.
"""

from __future__ import annotations

from typing import Any

from daphne import ws_protocol

_Protocol: Any = ws_protocol.WebSocketProtocol


class _UnboundedSender(_Protocol):  # type: ignore[misc]  # Daphne has no types.
    maxMessagePayloadSize: int  # Autobahn's word for it, in bytes; 0 is none.

    def sendMessage(self, *arguments: Any, **options: Any) -> None:
        limit, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
        try:
            super().sendMessage(*arguments, **options)
        finally:
            self.maxMessagePayloadSize = limit


def bound_received_only() -> None:
    """For every Daphne of this process; what is sent is bounded by `dashboard.live.outbox`."""
    ws_protocol.WebSocketFactory.protocol = _UnboundedSender
