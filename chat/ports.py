"""The conversation's interfaces as small protocols: what it needs from the rest, and what the rest may request.

`agentflow_site.chat` wires both. A new call is a request and a method of `ChatPort` here, a method of the service, and
a function of `chat.services`; its form in bytes (`chat.remote`) follows from the declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from nodes.domain.commands import TaskSpec
from nodes.domain.states import Action
from nodes.leader.projection.published import Published
from nodes.leader.projection.unit_of_work import UnitOfWork

T = TypeVar("T")
Q = TypeVar("Q")
R = TypeVar("R")

# --- dependencies ------------------------------------------------------------------


class Writes(Protocol):
    """The projection: its transactions, on its thread."""

    async def write(self, function: Callable[[UnitOfWork], T]) -> T: ...


class Rights(Protocol):
    """Users' rights according to the database. Sync, on a thread."""

    def may(self, actor: str, right: str) -> bool:
        """Whether the user has the right, a value of `dashboard.rights.Right`. False for an unknown user."""


class Fleet(Protocol):
    """The scheduler, on the Leader's loop.

    Both return once the request is stored and raise `TaskRejected`, or `LeaderUnavailable` when the outcome is unknown.
    The caller chooses the ids: a second request with the same id changes nothing.
    """

    async def submit(self, spec: TaskSpec, *, actor: str, task_id: str) -> None: ...

    async def control(
        self, task_id: str, action: Action, *, actor: str, input: bytes, command_id: str, may_run_commands: bool
    ) -> None:
        """Also raises `NotFound`. `may_run_commands`: `actor` has this right, which a free command may need."""


Publish = Callable[[Sequence[Published]], None]

# --- requests ----------------------------------------------------------------------
# Fields are texts, integers and booleans, and all are required; `actor` is the requesting user. `chat.services`
# documents each request.


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenConversation:
    context: str
    is_fresh: bool
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage:
    conversation_id: str
    text: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTurn:
    turn_id: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryTurn:
    turn_id: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerApproval:
    approval_id: str
    is_yes: bool
    seen: str  # The digest of the approval that the person saw; empty = no condition.
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyFix:
    turn_id: str
    number: int
    seen: str  # The digest of the fix that the person saw; empty = no condition.
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeMemory:
    action: str  # "edit", "revert", "delete" or "review".
    file_id: int
    version: int  # The version that the person saw.
    to: int  # For "revert": the revision.
    text: str  # For "edit".
    why: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    conversation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    conversation_id: str
    turn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The empty answer."""


class ChatPort(Protocol):
    """Requests to the conversations, on the Leader's loop. All raise `TaskRejected`, `NotFound`, `StoreError`."""

    async def open_conversation(self, request: OpenConversation) -> Opened: ...

    async def send_message(self, request: SendMessage) -> Accepted: ...

    async def stop_turn(self, request: StopTurn) -> Accepted: ...

    async def retry_turn(self, request: RetryTurn) -> Accepted: ...

    async def answer_approval(self, request: AnswerApproval) -> Accepted: ...

    async def apply_fix(self, request: ApplyFix) -> Accepted: ...

    async def change_memory(self, request: ChangeMemory) -> Done: ...


class ChatGateway(Protocol):
    """Access to the conversations from a thread, in the Leader's process or another one."""

    def ask(self, request: Q, call: Callable[[ChatPort, Q], Coroutine[Any, Any, R]], /) -> R:
        """The result of `call` for the request. Blocks; raises `TaskRejected`, `NotFound`, `LeaderUnavailable`."""
