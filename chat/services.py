"""Requests to conversations, for pages, sockets and programs. Sync; call it on any thread but the Leader's loop.

When a function returns, the request is stored; its outcome is published on the topic `chat:<conversation>`. All raise
`TaskRejected` with a code and a message, `NotFound`, `LeaderUnavailable`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from chat.ports import (
    Accepted,
    AnswerApproval,
    ApplyFix,
    ChangeMemory,
    ChatGateway,
    ChatPort,
    OpenConversation,
    RetryTurn,
    SendMessage,
    StopTurn,
)
from chat.remote import RemoteChat
from nodes.services import ask_service

__all__ = [
    "Accepted",
    "answer_approval",
    "apply_fix",
    "change_memory",
    "open_conversation",
    "retry_turn",
    "send_message",
    "stop_turn",
    "use_gateway",
]

Q = TypeVar("Q")
R = TypeVar("R")


def open_conversation(context: str, *, actor: str, is_fresh: bool = False) -> str:
    """The id of the context's open conversation. `is_fresh`: close the current one and open a new one."""
    request = OpenConversation(context=context, is_fresh=is_fresh, actor=actor)
    return _ask(request, lambda chat, request: chat.open_conversation(request)).conversation_id


def send_message(conversation_id: str, text: str, *, actor: str) -> Accepted:
    """Sends a message. AgentFlow's own texts in the answer are in the language of the message."""
    request = SendMessage(conversation_id=conversation_id, text=text, actor=actor)
    return _ask(request, lambda chat, request: chat.send_message(request))


def stop_turn(turn_id: str, *, actor: str) -> Accepted:
    """Stops a turn. Idempotent. Commands already sent to a node continue."""
    return _ask(StopTurn(turn_id=turn_id, actor=actor), lambda chat, request: chat.stop_turn(request))


def retry_turn(turn_id: str, *, actor: str) -> Accepted:
    """Retries a turn that failed, was stopped or interrupted; may start a new turn."""
    return _ask(RetryTurn(turn_id=turn_id, actor=actor), lambda chat, request: chat.retry_turn(request))


def answer_approval(approval_id: str, *, is_yes: bool, actor: str, seen: str = "") -> Accepted:
    """Approves or denies. `seen`: the digest of the approval that the person saw.

    Codes: "answered" (already decided), "expired", "stale" (it or its target has changed), "forbidden".
    """
    request = AnswerApproval(approval_id=approval_id, is_yes=is_yes, seen=seen, actor=actor)
    return _ask(request, lambda chat, request: chat.answer_approval(request))


def apply_fix(turn_id: str, number: int, *, actor: str, seen: str = "") -> Accepted:
    """Requests a fix of the analysis in this turn. Starts a new turn that waits for an approval. `seen`: the digest of
    the fix that the person saw.

    Codes: "asked", "done" (already requested or done), "stale" (no longer possible for the task), "forbidden".
    """
    request = ApplyFix(turn_id=turn_id, number=number, seen=seen, actor=actor)
    return _ask(request, lambda chat, request: chat.apply_fix(request))


def change_memory(
    file_id: int, action: str, *, version: int, text: str = "", to: int = 0, why: str = "", actor: str
) -> None:
    """A person's change: `action` ("edit", "revert", "delete", "review") on the file at `version`; `text` for "edit",
    `to` (a revision) for "revert". Code "stale": the file has changed since.
    """
    request = ChangeMemory(action=action, file_id=file_id, version=version, to=to, text=text, why=why, actor=actor)
    _ask(request, lambda chat, request: chat.change_memory(request))


_lock = threading.Lock()
# Global, because Django and Daphne create views and consumers without custom arguments.
_gateway: ChatGateway | None = None


def use_gateway(gateway: ChatGateway | None) -> None:
    """Called in the Leader's process. Without it (None), requests go to the Leader over the fleet's gateway."""
    global _gateway
    with _lock:
        _gateway = gateway


def _ask(request: Q, call: Callable[[ChatPort, Q], Coroutine[Any, Any, R]]) -> R:
    with _lock:
        gateway = _gateway or RemoteChat(ask_service)
    return gateway.ask(request, call)
