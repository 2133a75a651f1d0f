"""Finds, changes and publishes a conversation's rows."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from chat.messages import conversation_info, step_info, turn_info
from chat.models import Approval, Conversation, ToolCall, Turn
from chat.topics import CHATS, chat
from nodes.errors import NotFound
from nodes.leader.projection.unit_of_work import UnitOfWork


def change(unit: UnitOfWork, row: Model, **values: Any) -> None:
    """Writes at once, unlike `UnitOfWork.change`: another job of the same transaction may read the row."""
    unit.changes += 1
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=list(values))


def turn_of(turn_id: str) -> Turn:
    turn = Turn.objects.filter(id=turn_id).select_related("conversation").first()
    if turn is None:
        raise NotFound(f"There is no turn {turn_id}.")
    return turn


def change_turn(unit: UnitOfWork, turn: Turn, **values: Any) -> None:
    change(unit, turn, **values)
    publish_turn(unit, turn)


def call_of(call_id: str) -> ToolCall:
    return ToolCall.objects.select_related("turn__conversation").get(id=call_id)


def approval_of(call: ToolCall) -> Approval | None:
    return Approval.objects.filter(call=call).first()


def publish(unit: UnitOfWork, kind: str, conversation_id: str, **fields: Any) -> None:
    """Publishes a message about a conversation."""
    topic = chat(conversation_id)
    # Answers go only to readers of the conversation; approvals, starts and ends go to all pages.
    where = (topic,) if kind == "CHAT_RESPONSE" else (CHATS, topic)
    unit.publish(kind, where, conversation=conversation_id, **fields)


def publish_turn(unit: UnitOfWork, turn: Turn) -> None:
    publish(unit, "CHAT_TURN", turn.conversation_id, turn=turn_info(turn))


def publish_step(unit: UnitOfWork, call: ToolCall) -> None:
    publish(unit, "CHAT_STEP", call.turn.conversation_id, step=step_info(call, approval_of(call)))


def publish_conversation(unit: UnitOfWork, conversation: Conversation) -> None:
    publish(unit, "CHAT_CONVERSATION", conversation.id, info=conversation_info(conversation))
