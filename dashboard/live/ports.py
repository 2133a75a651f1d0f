"""The live side's dependencies as small protocols. `dashboard.live.process` provides them; all calls are sync."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import UNSET, UnsetType

from chat.services import Accepted
from dashboard.rights import Role
from dashboard.tickets import Viewer
from nodes.domain.commands import Seen, TaskSpec
from nodes.domain.states import Action
from nodes.leader.projection.published import Published


class Feed(Protocol):
    """`nodes.selectors`."""

    def position(self) -> tuple[str, int]: ...

    def snapshot(self, topics: Sequence[str]) -> dict[str, Any]: ...

    def feed_since(self, seq: int, topics: Sequence[str] | None, limit: int) -> list[Published] | None: ...


class Services(Protocol):
    """`nodes.services`."""

    def submit_task(self, spec: TaskSpec, *, actor: str) -> str: ...

    def control_task(
        self,
        task_id: str,
        action: Action,
        *,
        actor: str,
        ref: str = "",
        input: bytes = b"",
        close_input: bool = False,
        reason: str = "",
        may_run_commands: bool = False,
        definition: str = "",
        seen: Seen | UnsetType = UNSET,
    ) -> str: ...


class Chats(Protocol):
    """`chat.services`."""

    def open_conversation(self, context: str, *, actor: str) -> str: ...

    def send_message(self, conversation_id: str, text: str, *, actor: str) -> Accepted: ...

    def stop_turn(self, turn_id: str, *, actor: str) -> Accepted: ...

    def retry_turn(self, turn_id: str, *, actor: str) -> Accepted: ...

    def answer_approval(self, approval_id: str, *, is_yes: bool, actor: str, seen: str = "") -> Accepted: ...

    def apply_fix(self, turn_id: str, number: int, *, actor: str, seen: str = "") -> Accepted: ...


class Tickets(Protocol):
    """`dashboard.tickets`."""

    def authenticate(self, token: str, address: str) -> Viewer | None: ...

    def recheck(self, viewer: Viewer) -> Role: ...
