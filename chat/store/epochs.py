"""Starts a new history: from then on, a model gets only the text of the last turns before it.

The text contains no thinking and no tool calls, which depend on the messages before them; people still see everything.
Within an epoch messages are only appended.
"""

from __future__ import annotations

from typing import Any

from chat import withheld
from chat.contexts import Context
from chat.memory.index import index_of
from chat.models import Conversation, Message, ToolCall, Turn
from chat.phrases import render
from chat.store.messages import add_message
from chat.store.rows import change, turn_of
from chat.untrusted import marked, tagged
from nodes.leader.projection.unit_of_work import UnitOfWork

# Earlier turns whose text a new epoch starts with.
_EARLIER_TURNS = 6
_EARLIER_CHARACTERS = 2_000

Block = dict[str, Any]


def begin_epoch(unit: UnitOfWork, turn_id: str) -> None:
    """Starts an epoch in the middle of a turn, after the endpoint rejected its history."""
    turn = turn_of(turn_id)
    calls = list(ToolCall.objects.filter(turn=turn).order_by("message", "position"))
    done = [
        {
            "tool": call.name,
            "summary": _summary(call),
            "state": call.state,
            "result": marked(call.name, call.result, _EARLIER_CHARACTERS),
        }
        for call in calls
    ]
    end_epoch(unit, turn.conversation)
    words = words_before(turn)
    if done:
        words.append(_text("done", done))
    words.append({"type": "text", "text": turn.text[: _EARLIER_CHARACTERS * 4]})
    is_tainted = any(call.is_untrusted for call in calls) or is_earlier_tainted(turn)
    add_message(unit, turn, "user", words, is_tainted=is_tainted)


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
    turns = []
    for before in reversed(_earlier_turns(turn)):
        answers = Message.objects.filter(turn=before, role="assistant").exclude(text="").values_list("text", flat=True)
        answer = "\n".join(answers)[:_EARLIER_CHARACTERS]
        turns.append({"person": before.text[:_EARLIER_CHARACTERS], "assistant": answer})
    return _text("earlier", turns)


def _earlier_turns(turn: Turn) -> list[Turn]:
    earlier = Turn.objects.filter(conversation=turn.conversation_id, number__lt=turn.number)
    return list(earlier.order_by("-number")[:_EARLIER_TURNS])


def is_earlier_tainted(turn: Turn) -> bool:
    """Whether the text with which this turn starts an epoch has, or answers, texts of strangers."""
    conversation = turn.conversation
    if conversation.epoch == 1 or Message.objects.filter(conversation=conversation, epoch=conversation.epoch).exists():
        return False
    return Message.objects.filter(turn__in=_earlier_turns(turn), is_tainted=True).exists()


def _text(tag: str, value: object) -> Block:
    return {"type": "text", "text": tagged(tag, value)}
