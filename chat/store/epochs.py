"""Starts a new history: from then on, a model gets only the text of the last turns before it.

The text contains no thinking and no tool calls, which depend on the messages before them; people still see everything.
Within an epoch messages are only appended.
"""

from __future__ import annotations

import json
from typing import Any

from chat import withheld
from chat.contexts import Context
from chat.memory.index import index_of
from chat.models import Conversation, Message, ToolCall, Turn
from chat.phrases import render
from chat.store.messages import add_message
from chat.store.rows import change, turn_of
from nodes.leader.projection.unit_of_work import UnitOfWork

# Earlier turns whose text a new epoch starts with.
_EARLIER_TURNS = 6
_EARLIER_CHARACTERS = 2_000

Block = dict[str, Any]


def begin_epoch(unit: UnitOfWork, turn_id: str) -> None:
    """Starts an epoch in the middle of a turn, after the endpoint rejected its history."""
    turn = turn_of(turn_id)
    done = [
        {"tool": call.name, "summary": _summary(call), "state": call.state, "result": call.result[:_EARLIER_CHARACTERS]}
        for call in ToolCall.objects.filter(turn=turn).order_by("message", "position")
    ]
    end_epoch(unit, turn.conversation)
    words = words_before(turn)
    if done:
        words.append(_text("done", done))
    words.append({"type": "text", "text": turn.text[: _EARLIER_CHARACTERS * 4]})
    add_message(unit, turn, "user", words)


def _summary(call: ToolCall) -> str:
    """Without a command: everyone may read the requests to a model."""
    if withheld.is_private(call.name):
        return render(withheld.public_summary(call.arguments), call.turn.language)
    return call.summary


def end_epoch(unit: UnitOfWork, conversation: Conversation) -> None:
    """Ends an epoch between turns: the next turn starts with the earlier text (`words_before`)."""
    change(unit, conversation, epoch=conversation.epoch + 1)


def words_before(turn: Turn) -> list[Block]:
    """The first blocks of a turn that starts an epoch; empty for any other turn."""
    conversation = turn.conversation
    if Message.objects.filter(conversation=conversation, epoch=conversation.epoch).exists():
        return []
    index = index_of(Context(project=conversation.project, node=conversation.node))
    words: list[Block] = [{"type": "text", "text": index}] if index else []
    return [*words, _earlier(turn)] if conversation.epoch > 1 else words


def _earlier(turn: Turn) -> Block:
    earlier = Turn.objects.filter(conversation=turn.conversation_id, number__lt=turn.number).order_by("-number")
    turns = []
    for before in reversed(earlier[:_EARLIER_TURNS]):
        answers = Message.objects.filter(turn=before, role="assistant").exclude(text="").values_list("text", flat=True)
        answer = "\n".join(answers)[:_EARLIER_CHARACTERS]
        turns.append({"person": before.text[:_EARLIER_CHARACTERS], "assistant": answer})
    return _text("earlier", turns)


def _text(tag: str, value: object) -> Block:
    return {"type": "text", "text": f"<{tag}>{json.dumps(value, ensure_ascii=False)}</{tag}>"}
