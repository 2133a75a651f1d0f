"""The fleet's errors: named by what happened, with facts as attributes and the message in `__str__`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `nodes.domain` imports this module.
    from nodes.domain.phrases import Phrase


class AgentFlowError(Exception):
    """Root of all errors that AgentFlow raises on purpose."""


class ConfigError(AgentFlowError):
    """A setting, argument or file is wrong; the text says which, its value and what is allowed."""


class LeaderRuns(ConfigError):
    """Another process leads already, on this data folder or on this database."""


class WireError(AgentFlowError):
    """The stream to a peer cannot continue."""


class ProtocolViolation(WireError):
    """The peer sent something that docs/protocol.md forbids."""


class VersionMismatch(WireError):
    """The peer uses a protocol version that this side does not support."""


class NotReady(WireError):
    """The peer's request cannot be answered yet, through no fault of the peer; it should retry soon."""


class StoreError(AgentFlowError):
    """A journal or database refused an operation."""


class NotFound(StoreError):
    """There is no such row."""


class Conflict(StoreError):
    """The row already exists, or is not in the state that the change requires."""


class StaleTerm(StoreError):
    """Another process has taken over the database, so this one must not write any more."""

    def __init__(self, term: int, successor: str) -> None:
        super().__init__(term, successor)
        self.term = term
        self.successor = successor  # Where it runs; empty = not known.

    def __str__(self) -> str:
        return f"another Leader{f' ({self.successor})' if self.successor else ''} has taken over the database"


class LeaderUnavailable(AgentFlowError):
    """The Leader cannot be reached; whether it carried out an earlier request is unknown."""


class TaskError(AgentFlowError):
    """A task cannot do what was requested."""


class TaskRejected(TaskError):
    """The request is refused; `code` is for programs: "busy", "no-such-project", "forbidden" …"""

    def __init__(
        self, code: str, message: str, parts: Sequence[Phrase] = (), *, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.details = dict(details or {})  # For programs: facts that depend on the code.
        self.message = message
        self.parts = tuple(parts)  # The message as data; empty = only the text exists.

    def __str__(self) -> str:
        return self.message


class OtherVersion(TaskRejected):
    """A separate web process and the Leader run different versions."""

    def __init__(self) -> None:
        super().__init__(
            "other-version",
            "The web process and the Leader run different versions; restart them with the same version.",
        )
