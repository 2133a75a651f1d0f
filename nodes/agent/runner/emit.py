"""The interface through which the runner reports to the uplink."""

from __future__ import annotations

from typing import Protocol

from nodes.domain.events import Payload


class Emit(Protocol):
    async def __call__(
        self, payload: Payload, *, cursor: tuple[str, int] | None = None, ephemeral: bool = False
    ) -> None:
        """Returns once the payload is durable on this node; `cursor` is committed in the same transaction.

        `ephemeral`: not durable, the newest wins; for progress between two complete states.
        """
