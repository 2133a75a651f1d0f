"""Streams an engine's answer to dashboards: pieces batched for 50 ms, and the whole text once a second.

Pieces are not in the feed and may be lost. A client that joins late or missed a piece gets the whole text within a
second, and CHAT_RESPONSE in the feed always ends the stream.
"""

from __future__ import annotations

import asyncio
import itertools
import time

from chat.messages import Fields, delta
from chat.ports import Publish
from chat.topics import chat
from nodes.leader.projection.published import Published

GATHER_SECONDS = 0.05
WHOLE_SECONDS = 1.0


class Stream:
    """Implements `chat.engines.protocol.Progress` for one turn. Runs on the event loop."""

    def __init__(
        self,
        publish: Publish,
        *,
        conversation_id: str,
        turn_id: str,
    ) -> None:
        self._publish = publish
        self._conversation_id = conversation_id
        self._turn_id = turn_id
        # The body of the last request, as sent.
        self.sent = b""
        self._request = 0
        self._text = ""
        self._sent_characters = 0  # Characters already sent.
        self._whole_sent_mono = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._numbers = itertools.count()

    @property
    def partial_text(self) -> str:
        return self._text

    def begin(self, request: int) -> None:
        """Starts the turn's next answer, number `request`."""
        self.end()
        self._request = request
        self.sent = b""
        self._text = ""
        self._sent_characters = 0
        self._whole_sent_mono = time.monotonic()

    def end(self) -> None:
        """Drops pending pieces: the answer is stored or discarded."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def text(self, piece: str) -> None:
        self._text += piece
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._flush)

    def reset(self) -> None:
        self.end()
        self._text = ""
        self._send_delta(0)

    def retrying(self, delay_seconds: float, reason: str) -> None:
        self._send(
            {
                "type": "CHAT_RETRYING",
                "conversation": self._conversation_id,
                "turn": self._turn_id,
                "delaySeconds": round(delay_seconds, 1),
                "reason": reason,
            }
        )

    def sending(self, body: bytes) -> None:
        self.sent = body

    def _flush(self) -> None:
        self._timer = None
        now = time.monotonic()
        is_whole = now - self._whole_sent_mono >= WHOLE_SECONDS
        if is_whole:
            self._whole_sent_mono = now
        self._send_delta(0 if is_whole else self._sent_characters)

    def _send_delta(self, offset: int) -> None:
        self._send(
            delta(
                conversation_id=self._conversation_id,
                turn_id=self._turn_id,
                request=self._request,
                offset=offset,
                text=self._text[offset:],
            )
        )
        self._sent_characters = len(self._text)

    def _send(self, body: Fields) -> None:
        # A unique key, so that no piece replaces another.
        key = f"chat:{self._turn_id}:{next(self._numbers)}"
        self._publish([Published.of(0, (chat(self._conversation_id),), body, "state", key)])
