"""The front door for whoever talks or answers: pages, sockets, programs. Sync, on any thread but the Leader's own loop.

What is asked is stored when a function returns; what becomes of it is pushed on the topic `chat:<conversation>`. All
raise `TaskRejected` with a code and the reason in words, `NotFound`, `LeaderUnavailable`.
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
    Say,
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
    "say",
    "stop_turn",
    "use_gateway",
]

Q = TypeVar("Q")
R = TypeVar("R")


def open_conversation(context: str, *, actor: str, is_fresh: bool = False) -> str:
    """The id of the context's open conversation. `is_fresh`: close the present one and open a new one."""
    request = OpenConversation(context=context, is_fresh=is_fresh, actor=actor)
    return _ask(request, lambda chat, request: chat.open_conversation(request)).conversation_id


def say(conversation_id: str, text: str, *, actor: str) -> Accepted:
    """AgentFlow's own words in the answer are in the language of the text."""
    request = Say(conversation_id=conversation_id, text=text, actor=actor)
    return _ask(request, lambda chat, request: chat.say(request))


def stop_turn(turn_id: str, *, actor: str) -> Accepted:
    """Safe to ask twice. What a node has been sent goes on."""
    return _ask(StopTurn(turn_id=turn_id, actor=actor), lambda chat, request: chat.stop_turn(request))


def retry_turn(turn_id: str, *, actor: str) -> Accepted:
    """For a turn that failed, was stopped or interrupted. The answer's turn may be a new one."""
    return _ask(RetryTurn(turn_id=turn_id, actor=actor), lambda chat, request: chat.retry_turn(request))


def answer_approval(approval_id: str, *, is_yes: bool, actor: str) -> Accepted:
    """Codes: "answered" (somebody was faster), "expired", "stale" (the target changed), "forbidden"."""
    request = AnswerApproval(approval_id=approval_id, is_yes=is_yes, actor=actor)
    return _ask(request, lambda chat, request: chat.answer_approval(request))


def apply_fix(turn_id: str, number: int, *, actor: str) -> Accepted:
    """Asks for a proposal of the analysis in this turn; the answer's turn is a new one that waits for an approval.

    Codes: "asked", "done" (somebody was faster), "stale" (it cannot be done to the task any more), "forbidden".
    """
    request = ApplyFix(turn_id=turn_id, number=number, actor=actor)
    return _ask(request, lambda chat, request: chat.apply_fix(request))


def change_memory(
    file_id: int, action: str, *, version: int, text: str = "", to: int = 0, why: str = "", actor: str
) -> None:
    """By a person's hand: `action` ("edit", "revert", "delete", "review") on the file as it is at `version`; `text`
    for "edit", `to` (a revision) for "revert". Code "stale": the file has changed since.
    """
    request = ChangeMemory(action=action, file_id=file_id, version=version, to=to, text=text, why=why, actor=actor)
    _ask(request, lambda chat, request: chat.change_memory(request))


_lock = threading.Lock()
# A global, because Django and Daphne create views and consumers without arguments of ours.
_gateway: ChatGateway | None = None


def use_gateway(gateway: ChatGateway | None) -> None:
    """Set by the Leader's process; None = a web process of its own asks the Leader over the fleet's gateway."""
    global _gateway
    with _lock:
        _gateway = gateway


def _ask(request: Q, call: Callable[[ChatPort, Q], Coroutine[Any, Any, R]]) -> R:
    with _lock:
        gateway = _gateway or RemoteChat(ask_service)
    return gateway.ask(request, call)
