"""A conversation's messages, which are append-only, and the calls of an answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from chat.engines.protocol import Reply
from chat.messages import message_info, shown_text
from chat.models import Conversation, Message, ToolCall, Turn
from chat.phrases import Phrase, Phrases, render
from chat.states import CallState
from chat.store.calls import call_id, finish_call, hash_of
from chat.store.rows import publish, publish_step, turn_of
from chat.untrusted import plain
from nodes.domain.storable import storable
from nodes.leader.projection.unit_of_work import UnitOfWork


def last_message(conversation: Conversation) -> Message | None:
    found = Message.objects.filter(conversation=conversation, epoch=conversation.epoch)
    return found.order_by("-id").first()


_NOT_TEXT = "The call contains a NUL character, text that is not valid Unicode, or a number of more than 64 bits."
_NEVER_SENT = 0  # No conversation has this epoch.


def add_message(
    unit: UnitOfWork,
    turn: Turn,
    role: str,
    content: Sequence[dict[str, Any]],
    *,
    is_sent: bool = True,
    is_tainted: bool = False,
    phrases: Phrases | None = None,
) -> Message:
    """Appends a message. `is_sent` False: for people only, allowed at any time, even between a call and its result.

    `is_tainted`: it has texts of strangers. What answers tainted messages is tainted too.
    """
    message = Message(
        conversation=turn.conversation,
        turn=turn,
        epoch=turn.conversation.epoch if is_sent else _NEVER_SENT,
        role=role,
        content=list(content),
        text=shown_text(content) if role == "assistant" else "",
        is_tainted=is_tainted or (is_sent and is_tainted_now(turn)),
        phrases=phrases or {},
        created_at=unit.now,
    )
    unit.insert(message)
    if message.text:
        info = message_info(message)
        publish(unit, "CHAT_RESPONSE", turn.conversation_id, turn=turn.id, text=info["text"], message=info)
    return message


def add_own_text(
    unit: UnitOfWork, turn: Turn, text_phrase: Phrase, *, is_sent: bool = True, is_tainted: bool = False
) -> Message:
    """Adds a text of AgentFlow: models get it in the conversation's language, people in their own."""
    content = [{"type": "text", "text": render(text_phrase, turn.language, escape=plain)}]
    phrases = {"text": text_phrase}
    return add_message(unit, turn, "assistant", content, is_sent=is_sent, is_tainted=is_tainted, phrases=phrases)


def is_tainted_now(turn: Turn) -> bool:
    """Whether a model that answers now has read texts of strangers: in this turn, or in messages still sent to it."""
    conversation = turn.conversation
    sent = Message.objects.filter(conversation=conversation, epoch=conversation.epoch, is_tainted=True)
    return turn.has_read_untrusted or sent.exists()


def add_reply(unit: UnitOfWork, turn_id: str, reply: Reply) -> None:
    """Stores an engine's answer with its calls, before any call runs.

    A call with text that no database accepts never runs: without that text it would do something else.
    """
    turn = turn_of(turn_id)
    message = add_message(unit, turn, "assistant", [_as_said(b) for b in reply.content], phrases=reply.phrases)
    for position, made in enumerate(block for block in reply.content if block["type"] == "tool_use"):
        block = storable(made)
        call = ToolCall(
            id=call_id(turn.id, message.pk, block["id"]),
            turn=turn,
            message=message,
            tool_use_id=block["id"],
            position=position,
            name=str(block["name"])[:64],
            arguments=block["input"],
            arguments_hash=hash_of(block["name"], block["input"]),
            is_sure=reply.is_sure,
            created_at=unit.now,
        )
        unit.insert(call)
        publish_step(unit, call)
        if block != made:
            finish_call(unit, call.id, CallState.FAILED, _NOT_TEXT, is_error=True)


def _as_said(block: dict[str, Any]) -> dict[str, Any]:
    """To the byte, because it is sent again; half a character could not be."""
    try:
        json.dumps(block, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        cleaned: dict[str, Any] = storable(block)
        return cleaned
    return block


def add_results(unit: UnitOfWork, turn_id: str) -> None:
    """Stores the results of the newest answer's calls as the next message."""
    turn = turn_of(turn_id)
    calls = open_calls(turn.conversation)
    add_message(unit, turn, "user", results_of(calls), is_tainted=any(call.is_untrusted for call in calls))


def open_calls(conversation: Conversation) -> list[ToolCall]:
    """The newest answer's calls, if it still waits for their results."""
    last = last_message(conversation)
    if last is None or last.role != "assistant":
        return []
    return list(ToolCall.objects.filter(message=last).select_related("turn__conversation").order_by("position"))


def results_of(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    """The result blocks, which must come first in the next message."""
    return [
        {"type": "tool_result", "tool_use_id": c.tool_use_id, "content": c.result or "-", "is_error": c.is_error}
        for c in calls
    ]
