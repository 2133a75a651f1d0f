"""The life cycle of a turn, from the message to its end."""

from __future__ import annotations

import re
import secrets
from typing import Any

from chat.errors import ChatRejected
from chat.models import Conversation, Message, ToolCall, Turn
from chat.phrases import Phrase, TextOrPhrase, phrase, render, with_phrase
from chat.states import OPEN_TURNS, RETRIABLE_TURNS, ApprovalState, CallState, Trigger, TurnState
from chat.store.calls import deny, finish_call, move_call, result_fields
from chat.store.epochs import is_earlier_tainted, words_before
from chat.store.fixes import follow
from chat.store.messages import add_message, add_own_text, last_message, open_calls, results_of
from chat.store.rows import approval_of, change, change_turn, publish_turn, turn_of
from nodes.errors import NotFound
from nodes.leader.projection.unit_of_work import UnitOfWork

MAX_QUEUED = 5  # Queued and running turns of one conversation.
MAX_TEXT_CHARACTERS = 32_000
_HAN = re.compile("[\u3400-\u9fff]")


def queue_message(unit: UnitOfWork, conversation_id: str, text: str, *, actor: str, **fields: Any) -> str:
    """Queues a turn and returns its id; it runs after earlier turns. `fields`: further fields of the turn."""
    conversation = Conversation.objects.filter(id=conversation_id).first()
    if conversation is None:
        raise NotFound(f"There is no conversation {conversation_id}.")
    if conversation.closed_at is not None:
        raise ChatRejected("closed", "This conversation is closed; use the context's open one.")
    if not text.strip():
        raise ChatRejected("empty", "The message is empty.")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise ChatRejected("too-long", f"A message has at most {MAX_TEXT_CHARACTERS} characters.")
    turns = Turn.objects.filter(conversation=conversation)
    # Automatic turns and people do not wait for each other.
    turns = turns.filter(trigger=fields.get("trigger", Trigger.PERSON))
    if turns.filter(state__in=OPEN_TURNS - {TurnState.WAITING}).count() >= MAX_QUEUED:
        raise ChatRejected("busy", f"{MAX_QUEUED} messages of this conversation are already waiting.")
    turn = Turn(
        id=secrets.token_hex(8),
        conversation=conversation,
        number=_last_number(conversation) + 1,
        actor=actor[:150],
        text=text.replace("\x00", ""),
        created_at=unit.now,
        **{"language": "zh-hans" if _HAN.search(text) else "en", **fields},
    )
    unit.insert(turn)
    change(unit, conversation, last_at=unit.now)
    publish_turn(unit, turn)
    return turn.id


def queue_phrase(
    unit: UnitOfWork, conversation_id: str, text_phrase: Phrase, *, actor: str, language: str, **fields: Any
) -> str:
    """Like `queue_message`, for a text of AgentFlow: each reader gets it in their own language."""
    about = {"language": language, "phrases": {"text": text_phrase}, **fields}
    return queue_message(unit, conversation_id, render(text_phrase, language), actor=actor, **about)


def retry(unit: UnitOfWork, turn_id: str, *, actor: str) -> str:
    """Queues the turn again, or a new one with its text if it was partly answered. Returns its id."""
    turn = turn_of(turn_id)
    if turn.state not in RETRIABLE_TURNS:
        raise ChatRejected("not-failed", "Only a failed or stopped turn can be retried.")
    if turn.fix_number:
        raise ChatRejected("not-failed", "Click the fix again instead: it must still fit the task.")
    if not turn.is_retriable:
        raise ChatRejected("not-failed", "The task is no longer stuck there.")
    last = Message.objects.filter(turn=turn).order_by("-id").first()
    if turn.number != _last_number(turn.conversation) or (last is not None and last.role == "assistant"):
        same = {name: getattr(turn, name) for name in ("trigger", "alert_id", "other_tasks", "language")}
        phrases = with_phrase(turn.phrases, "message", "")
        return queue_message(unit, turn.conversation_id, turn.text, actor=actor, phrases=phrases, **same)
    change_turn(unit, turn, state=TurnState.QUEUED, **_problem(turn, "", ""), ended_at=None, actor=actor[:150])
    return turn.id


def _last_number(conversation: Conversation) -> int:
    """Not the number of turns: old ones may be deleted."""
    turns = Turn.objects.filter(conversation=conversation).order_by("-number")
    return turns.values_list("number", flat=True).first() or 0


def begin_turn(unit: UnitOfWork, turn_id: str, fleet: str) -> bool:
    """Stores the turn's text as a message and withdraws waiting approvals: the person has moved on.

    False if the turn was stopped in the meantime.
    """
    turn = turn_of(turn_id)
    if turn.state != TurnState.QUEUED:
        return False
    for waiting in Turn.objects.filter(conversation=turn.conversation_id, state=TurnState.WAITING).exclude(id=turn_id):
        withdraw(unit, waiting, TurnState.DONE, phrase("refused.superseded"))
    # A retried turn's text is already in the conversation.
    if not Message.objects.filter(turn=turn, role="user", epoch=turn.conversation.epoch).exists():
        calls = open_calls(turn.conversation)
        words = [*words_before(turn), {"type": "text", "text": fleet}, {"type": "text", "text": turn.text}]
        is_tainted = any(call.is_untrusted for call in calls) or is_earlier_tainted(turn)
        add_message(unit, turn, "user", [*results_of(calls), *words], is_tainted=is_tainted)
    change_turn(unit, turn, state=TurnState.RUNNING)
    return True


def begin_stall_turn(unit: UnitOfWork, turn_id: str) -> bool:
    """Only marks an automatic turn as running: it waits for no person, and withdraws nothing that waits for one.

    False if it was stopped in the meantime.
    """
    turn = turn_of(turn_id)
    if turn.state != TurnState.QUEUED:
        return False
    change_turn(unit, turn, state=TurnState.RUNNING)
    return True


def end_stall_turn(unit: UnitOfWork, turn: Turn, fleet: str, text_phrase: Phrase) -> None:
    """Stores the turn's question and answer as messages. Models get them if they fit between two turns of people."""
    others = Turn.objects.filter(conversation=turn.conversation_id, state__in=OPEN_TURNS - {TurnState.QUEUED})
    is_sent = not others.exclude(id=turn.id).exists() and not open_calls(turn.conversation)
    if is_sent:
        words = [*words_before(turn), {"type": "text", "text": fleet}, {"type": "text", "text": turn.text}]
        add_message(unit, turn, "user", words, is_tainted=is_earlier_tainted(turn))
    # Its words come from the task's output.
    add_own_text(unit, turn, text_phrase, is_sent=is_sent, is_tainted=True)


def resume_turn(unit: UnitOfWork, turn_id: str) -> bool:
    """Continues after an answered approval. False if the turn was stopped or withdrawn in the meantime."""
    turn = turn_of(turn_id)
    if turn.state != TurnState.WAITING:
        return False
    change_turn(unit, turn, state=TurnState.RUNNING)
    return True


def stop_turn(unit: UnitOfWork, turn_id: str, partial_text: str, note: str) -> None:
    """Stops the turn and keeps the text that was already shown. Commands already sent to a node continue."""
    turn = turn_of(turn_id)
    if not TurnState(turn.state).is_open:
        return
    last = last_message(turn.conversation)
    if partial_text.strip() and last is not None and last.role == "user" and last.turn_id == turn.id:
        add_message(unit, turn, "assistant", [{"type": "text", "text": f"{partial_text}\n\n[{note}]"}])
    leave_running(unit, turn, phrase("left.stopped"))
    withdraw(unit, turn, TurnState.STOPPED, phrase("refused.stopped"))


def leave_running(unit: UnitOfWork, turn: Turn, reason: Phrase) -> None:
    """Marks the outcome of calls that are no longer awaited as unknown."""
    for call in ToolCall.objects.filter(turn=turn, state=CallState.RUNNING):
        finish_call(unit, call.id, CallState.UNKNOWN, reason, is_error=True)


def withdraw(unit: UnitOfWork, turn: Turn, state: TurnState, reason: Phrase) -> None:
    """Ends a turn; its calls that have not started do not run."""
    for call in ToolCall.objects.filter(turn=turn).select_related("turn__conversation"):
        approval = approval_of(call)
        if approval is not None and approval.state in (ApprovalState.WAITING, ApprovalState.APPROVED):
            deny(unit, approval, call, ApprovalState.WITHDRAWN, reason)
        elif call.state == CallState.PROPOSED:
            move_call(unit, call, CallState.DENIED, **result_fields(call, reason), is_error=True)
    end_turn(unit, turn, state)


def end_turn(
    unit: UnitOfWork,
    turn: Turn,
    state: TurnState,
    *,
    problem: str = "",
    message: TextOrPhrase = "",
    detail: str = "",
) -> None:
    """`detail`: the endpoint's own words, for administrators."""
    values = {**_problem(turn, problem, message), "endpoint_error": detail[:600]}
    change_turn(unit, turn, state=state, **values, ended_at=unit.now)
    follow(unit, turn)


def _problem(turn: Turn, problem: str, message: TextOrPhrase) -> dict[str, Any]:
    text = render(message, turn.language)[:2000]
    return {"problem": problem[:40], "message": text, "phrases": with_phrase(turn.phrases, "message", message)}


def add_usage(unit: UnitOfWork, turn: Turn, usage: dict[str, int], *, cost_microusd: int, is_partial: bool) -> None:
    total = {name: turn.usage.get(name, 0) + count for name, count in usage.items()}
    change(
        unit,
        turn,
        usage={**turn.usage, **total},
        cost_microusd=turn.cost_microusd + cost_microusd,
        is_cost_partial=turn.is_cost_partial or is_partial,
    )
