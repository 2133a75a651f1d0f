"""What the conversation needs of the rest. `agentflow_site.chat` fills it in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from nodes.leader.projection.published import Published
from nodes.leader.projection.unit import Unit

T = TypeVar("T")


class Writes(Protocol):
    """The projection: its transactions, on its thread."""

    async def write(self, function: Callable[[Unit], T]) -> T: ...


class Rights(Protocol):
    """Who may do what, as the database says now. Sync, on a thread."""

    def may(self, actor: str, right: str) -> bool:
        """`right` is a word of `dashboard.rights.Right`; nobody has any right under an unknown name."""


Publish = Callable[[Sequence[Published]], None]
