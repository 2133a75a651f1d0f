"""Lifts Daphne's message size limit for messages that the server sends: it is meant for those of clients.

A snapshot of a large fleet exceeds the limit for a client's message.
"""

from __future__ import annotations

from typing import Any

from daphne import ws_protocol

_Protocol: Any = ws_protocol.WebSocketProtocol


class _UnboundedSender(_Protocol):  # type: ignore[misc]  # Daphne has no types.
    maxMessagePayloadSize: int  # Autobahn's attribute, in bytes; 0 = no limit.

    def sendMessage(self, *arguments: Any, **options: Any) -> None:
        limit, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
        try:
            super().sendMessage(*arguments, **options)
        finally:
            self.maxMessagePayloadSize = limit


def bound_received_only() -> None:
    """Applies to every Daphne server of this process; `dashboard.live.outbox` bounds what is sent."""
    ws_protocol.WebSocketFactory.protocol = _UnboundedSender
