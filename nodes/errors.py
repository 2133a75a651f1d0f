"""The fleet's errors: named by what happened, with the facts as attributes and the words in `__str__`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # The domain stands above its errors.
    from nodes.domain.parts import Part


class AgentFlowError(Exception):
    """Root of all errors that AgentFlow raises on purpose."""


class ConfigError(AgentFlowError):
    """A setting, argument or file is wrong; the text says which, its value and what is allowed."""


class WireError(AgentFlowError):
    """The stream to a peer cannot go on."""


class ProtocolViolation(WireError):
    """The peer sent what docs/protocol.md forbids."""


class VersionMismatch(WireError):
    """The peer speaks a protocol version that this one does not."""


class NotReady(WireError):
    """The peer's question cannot be answered yet, through no fault of its own; it asks again soon."""


class SessionClosed(WireError):
    """The stream ended; what was not acknowledged is sent again on the next."""


class StoreError(AgentFlowError):
    """A journal or database refused."""


class NotFound(StoreError):
    """There is no such row."""


class Conflict(StoreError):
    """The row exists already, or is not in the state that the change needs."""


class StaleTerm(StoreError):
    """A Leader of an older epoch tried to write."""


class LeaderUnavailable(AgentFlowError):
    """The Leader cannot be asked now; whether it did what was asked before is unknown."""


class TaskError(AgentFlowError):
    """A task cannot do what was asked."""


class TaskRejected(TaskError):
    """The request is refused; `code` is for programs: "busy", "no-such-project", "forbidden" …"""

    def __init__(self, code: str, message: str, parts: Sequence[Part] = ()) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.parts = tuple(parts)  # The message as data; empty = the text is all.

    def __str__(self) -> str:
        return self.message
