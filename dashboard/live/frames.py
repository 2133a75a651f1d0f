"""A message to sockets: encoded once, shared by all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from nodes.leader.projection.published import Published

Lane = Literal["states", "metrics", "logs"]

_LANES: dict[str, Lane] = {"state": "states", "metrics": "metrics", "logs": "logs"}


class Frame:
    """A message as text. `event` is the ASGI event that sends it, one object for all sockets."""

    __slots__ = ("event", "key", "lane", "line_count", "published_mono", "seq", "size_bytes", "text")

    def __init__(
        self,
        text: str,
        *,
        lane: Lane = "states",
        seq: int = 0,
        key: str = "",
        published_mono: float = 0.0,
        line_count: int = 0,
    ):
        self.text = text
        self.lane = lane
        self.seq = seq  # Feed number; 0 = not part of the feed.
        self.key = key  # Of metrics with the same key only the newest is sent.
        self.published_mono = published_mono  # When it reached the broadcaster; 0 = an answer, not an event.
        self.size_bytes = len(text) if text.isascii() else len(text.encode())
        self.event: dict[str, Any] = {"type": "websocket.send", "text": text}
        self.line_count = line_count  # Number of lines of a LOG message.

    @classmethod
    def of(cls, published: Published, published_mono: float) -> Frame:
        return cls(
            published.text,
            lane=_LANES[published.kind],
            seq=published.seq,
            key=published.key,
            published_mono=published_mono,
            line_count=len(published.body.get("lines", ())) if published.kind == "logs" else 0,
        )


class Answer:
    """The answer to a SUBSCRIBE, shared by all sockets with the same request: a SNAPSHOT, or the missed messages."""

    __slots__ = ("first_seq", "frames", "seq", "size_bytes", "store")

    def __init__(self, frames: Sequence[Frame], *, store: str, seq: int) -> None:
        self.frames = frames
        self.store = store
        self.seq = seq  # Complete up to this feed number.
        self.first_seq = min((frame.seq for frame in frames if frame.seq), default=0)
        self.size_bytes = sum(frame.size_bytes for frame in frames)
