"""What the projection passes to its listener after a commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from nodes.leader.projection.message_base import encode

Kind = Literal["state", "metrics", "logs"]


@dataclass(frozen=True, slots=True)
class Published:
    """One message for dashboards, encoded once for all of them. Positional arguments: built on the hot path."""

    seq: int  # Feed number; 0 = ephemeral, not stored in the feed.
    topics: tuple[str, ...]
    text: str  # The JSON object, ready to send.
    kind: Kind
    # What it is about. Of two ephemeral ones with one key ("node:master-1") only the newer counts; a listener in this
    # process can wait for "task:<id>", "command:<id>" and "alert:<id>". Others have none.
    key: str = ""
    # The message that `text` encodes, for listeners in this process. Empty for states read back from the feed.
    body: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, seq: int, topics: tuple[str, ...], body: Mapping[str, Any], kind: Kind, key: str = "") -> Published:
        return cls(seq, topics, encode(body), kind, key, body)

    @property
    def type(self) -> str:
        """Such as "TASK_UPDATE"; empty when there is no body."""
        return str(self.body.get("type", ""))


class Listener(Protocol):
    """Publishes to dashboards. Both methods return at once."""

    def wants(self, topic: str) -> bool:
        """Whether this topic has a subscriber now. Called on the writer's thread, after the commit.

        Log batches without a subscriber are not encoded. That loses nothing: a new client subscribes first and then
        reads the position, so everything committed before it subscribed is in its snapshot.
        """

    def publish(self, batch: Sequence[Published]) -> None:
        """Called on the loop, once per committed batch, in feed order."""


class FanOut:
    """Combines any number of listeners into one."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners

    def add(self, *listeners: Listener) -> None:
        """From now on these get everything too. For parts that need what they listen to. Call it on the loop."""
        # A new tuple: the writer's thread may be reading the old one.
        self._listeners = (*self._listeners, *listeners)

    def wants(self, topic: str) -> bool:
        return any(listener.wants(topic) for listener in self._listeners)

    def publish(self, batch: Sequence[Published]) -> None:
        for listener in self._listeners:
            listener.publish(batch)
