"""Every change of a conversation, as functions on the projection's transaction. Each decides first and then changes."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db.models import Model

from chat.contexts import Context
from chat.engines.protocol import Reply
from chat.errors import ChatRejected
from chat.messages import conversation_info, message_info, shown_text, step_info, turn_info
from chat.models import Approval, Audit, Conversation, Message, ToolCall, Turn
from chat.states import (
    CALL_TRANSITIONS,
    OPEN_TURNS,
    RETRIABLE_TURNS,
    ApprovalState,
    AuditKind,
    CallState,
    Trigger,
    TurnState,
)
from nodes.errors import NotFound
from nodes.projection.unit import Unit

APPROVAL_TTL = timedelta(minutes=10)
MAX_QUEUED = 5  # Turns of one conversation that wait or run.
MAX_TEXT_CHARACTERS = 32_000
_HAN = re.compile("[\u3400-\u9fff]")
_CALLS = uuid.UUID("9d7e0a53-5c0b-4b0e-9a39-3f3c1a3c7b52")


def change(unit: Unit, row: Model, **values: Any) -> None:
    """At once, unlike `Unit.change`: another job of the same transaction may read the row back."""
    unit.changes += 1
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=list(values))


# --- conversations and turns ----------------------------------------------------------------------


def open_conversation(unit: Unit, context: Context, *, actor: str, is_fresh: bool = False) -> str:
    """The id of the context's open conversation, made if there is none. `is_fresh`: the present one is closed first."""
    found = Conversation.objects.filter(project=context.project, node=context.node, closed_at=None).first()
    if found is not None and not is_fresh:
        return found.id
    _check_context(unit, context)
    if found is not None:
        if Turn.objects.filter(conversation=found, state__in=OPEN_TURNS).exists():
            raise ChatRejected("busy", "The conversation is not at rest: wait, or stop it first.")
        change(unit, found, closed_at=unit.now)
        publish_conversation(unit, found)
    conversation = Conversation(
        id=secrets.token_hex(8),
        project=context.project,
        node=context.node,
        created_by=actor[:150],
        created_at=unit.now,
        last_at=unit.now,
    )
    unit.insert(conversation)
    publish_conversation(unit, conversation)
    return conversation.id


def _check_context(unit: Unit, context: Context) -> None:
    nodes = unit.image.nodes
    if context.node != "*" and context.node not in nodes:
        raise ChatRejected("no-such-context", f"There is no node {context.node}.")
    if context.project == "*":
        return
    chosen = nodes.values() if context.node == "*" else [nodes[context.node]]
    projects = {project["name"] for node in chosen for project in node.capabilities.get("projects", ())}
    if context.project not in projects:
        raise ChatRejected("no-such-context", f"There is no project {context.project} there.")


def say(unit: Unit, conversation_id: str, text: str, *, actor: str, trigger: Trigger = Trigger.PERSON) -> str:
    """A new turn's id; it waits until the ones before it have ended."""
    conversation = Conversation.objects.filter(id=conversation_id).first()
    if conversation is None:
        raise NotFound(f"There is no conversation {conversation_id}.")
    if conversation.closed_at is not None:
        raise ChatRejected("closed", "This conversation is closed; say it in the context's open one.")
    if not text.strip():
        raise ChatRejected("empty", "The message is empty.")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise ChatRejected("too-long", f"A message has at most {MAX_TEXT_CHARACTERS} characters.")
    turns = Turn.objects.filter(conversation=conversation)
    if turns.filter(state__in=OPEN_TURNS - {TurnState.WAITING}).count() >= MAX_QUEUED:
        raise ChatRejected("busy", f"{MAX_QUEUED} messages of this conversation wait already.")
    turn = Turn(
        id=secrets.token_hex(8),
        conversation=conversation,
        number=turns.count() + 1,
        trigger=trigger,
        actor=actor[:150],
        language="zh-hans" if _HAN.search(text) else "en",
        text=text.replace("\x00", ""),
        created_at=unit.now,
    )
    unit.insert(turn)
    change(unit, conversation, last_at=unit.now)
    publish_turn(unit, turn)
    return turn.id


def retry(unit: Unit, turn_id: str, *, actor: str) -> str:
    """The turn that is tried: the same one, or a new one with its words when it was answered in part."""
    turn = turn_of(turn_id)
    if turn.state not in RETRIABLE_TURNS:
        raise ChatRejected("not-failed", "Only a message that failed or was stopped can be tried again.")
    last = last_message(turn.conversation)
    if turn.number != Turn.objects.filter(conversation=turn.conversation_id).count() or (
        last is not None and last.turn_id == turn.id and last.role == "assistant"
    ):
        return say(unit, turn.conversation_id, turn.text, actor=actor)
    change_turn(unit, turn, state=TurnState.QUEUED, problem="", message="", ended_at=None, actor=actor[:150])
    return turn.id


def begin_turn(unit: Unit, turn_id: str, fleet: str) -> None:
    """Its words become a message. What waited for an approval until now is withdrawn: the person went on."""
    turn = turn_of(turn_id)
    for waiting in Turn.objects.filter(conversation=turn.conversation_id, state=TurnState.WAITING).exclude(id=turn_id):
        withdraw(unit, waiting, TurnState.DONE, "The person said something else instead.")
    # A turn that is tried again has its words in the conversation already.
    if not Message.objects.filter(turn=turn, role="user", epoch=turn.conversation.epoch).exists():
        words = [{"type": "text", "text": fleet}, {"type": "text", "text": turn.text}]
        add_message(unit, turn, "user", [*results_of(open_calls(turn.conversation)), *words])
    change_turn(unit, turn, state=TurnState.RUNNING)


def resume_turn(unit: Unit, turn_id: str) -> None:
    """A person has answered what it waited for."""
    turn = turn_of(turn_id)
    if turn.state == TurnState.WAITING:
        change_turn(unit, turn, state=TurnState.RUNNING)


def add_results(unit: Unit, turn_id: str) -> None:
    """The results of the newest answer's calls as the next message."""
    turn = turn_of(turn_id)
    add_message(unit, turn, "user", results_of(open_calls(turn.conversation)))


def stop_turn(unit: Unit, turn_id: str, partial_text: str, note: str) -> None:
    """What the person has seen so far stays, as text; what has been sent to a node goes on by itself."""
    turn = turn_of(turn_id)
    if not TurnState(turn.state).is_open:
        return
    last = last_message(turn.conversation)
    if partial_text.strip() and last is not None and last.role == "user" and last.turn_id == turn.id:
        add_message(unit, turn, "assistant", [{"type": "text", "text": f"{partial_text}\n\n[{note}]"}])
    leave_running(unit, turn, "The person stopped waiting; what was sent goes on.")
    withdraw(unit, turn, TurnState.STOPPED, "The person stopped this turn.")


def leave_running(unit: Unit, turn: Turn, reason: str) -> None:
    """Calls that have been sent and are not waited for any more."""
    for call in ToolCall.objects.filter(turn=turn, state=CallState.RUNNING):
        finish_call(unit, call.id, CallState.UNKNOWN, reason, is_error=True)


def expire_approvals(unit: Unit) -> None:
    waiting = Approval.objects.filter(state=ApprovalState.WAITING, expires_at__lte=unit.now)
    for approval in waiting:
        deny(unit, approval, call_of(approval.call_id), ApprovalState.EXPIRED, "Nobody answered in time.")


def turn_of(turn_id: str) -> Turn:
    turn = Turn.objects.filter(id=turn_id).select_related("conversation").first()
    if turn is None:
        raise NotFound(f"There is no turn {turn_id}.")
    return turn


def change_turn(unit: Unit, turn: Turn, **values: Any) -> None:
    change(unit, turn, **values)
    publish_turn(unit, turn)


def end_turn(unit: Unit, turn: Turn, state: TurnState, *, problem: str = "", message: str = "") -> None:
    change_turn(unit, turn, state=state, problem=problem[:40], message=message[:2000], ended_at=unit.now)


def add_usage(unit: Unit, turn: Turn, usage: dict[str, int], *, cost_microusd: int, is_partial: bool) -> None:
    total = {name: turn.usage.get(name, 0) + count for name, count in usage.items()}
    change(
        unit,
        turn,
        usage={**turn.usage, **total},
        cost_microusd=turn.cost_microusd + cost_microusd,
        is_cost_partial=turn.is_cost_partial or is_partial,
    )


# --- messages -------------------------------------------------------------------------------------


def last_message(conversation: Conversation) -> Message | None:
    found = Message.objects.filter(conversation=conversation, epoch=conversation.epoch)
    return found.order_by("-id").first()


def add_message(unit: Unit, turn: Turn, role: str, content: Sequence[dict[str, Any]]) -> Message:
    message = Message(
        conversation=turn.conversation,
        turn=turn,
        epoch=turn.conversation.epoch,
        role=role,
        content=list(content),
        text=shown_text(content) if role == "assistant" else "",
        created_at=unit.now,
    )
    unit.insert(message)
    if message.text:
        info = message_info(message)
        unit.publish_chat("CHAT_RESPONSE", turn.conversation_id, turn=turn.id, text=info["text"], message=info)
    return message


def add_reply(unit: Unit, turn_id: str, reply: Reply) -> None:
    """An engine's answer with the calls it asks for, before any of them is looked at."""
    turn = turn_of(turn_id)
    message = add_message(unit, turn, "assistant", reply.content)
    blocks = [block for block in reply.content if block["type"] == "tool_use"]
    for position, block in enumerate(blocks):
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


def call_id(turn_id: str, message_id: int, tool_use_id: str) -> str:
    return uuid.uuid5(_CALLS, f"{turn_id} {message_id} {tool_use_id}").hex


def command_id(call: ToolCall, number: int = 0) -> str:
    """Of the command (or task) that this call causes: asking for it twice acts once."""
    return uuid.uuid5(_CALLS, f"{call.id} {call.arguments_hash} {number}").hex


def hash_of(name: str, arguments: Any) -> str:
    return hashlib.sha256(json.dumps([name, arguments], sort_keys=True).encode()).hexdigest()


def open_calls(conversation: Conversation) -> list[ToolCall]:
    """Calls of the newest message, when it is an answer that waits for their results."""
    last = last_message(conversation)
    if last is None or last.role != "assistant":
        return []
    return list(ToolCall.objects.filter(message=last).select_related("turn__conversation").order_by("position"))


def results_of(calls: Sequence[ToolCall]) -> list[dict[str, Any]]:
    """As the blocks that must stand first in the next message."""
    return [
        {"type": "tool_result", "tool_use_id": c.tool_use_id, "content": c.result or "-", "is_error": c.is_error}
        for c in calls
    ]


# --- calls and approvals --------------------------------------------------------------------------


def call_of(call_id: str) -> ToolCall:
    return ToolCall.objects.select_related("turn__conversation").get(id=call_id)


def move_call(unit: Unit, call: ToolCall, state: CallState, **values: Any) -> bool:
    """False when it may not move there (any more)."""
    if state not in CALL_TRANSITIONS[CallState(call.state)]:
        return False
    if state.is_final:
        values["ended_at"] = unit.now
    change(unit, call, state=state, **values)
    publish_step(unit, call)
    return True


def finish_call(
    unit: Unit, call_id: str, state: CallState, result: str, *, is_error: bool = False, has_read_untrusted: bool = False
) -> None:
    call = call_of(call_id)
    if not move_call(unit, call, state, result=result, is_error=is_error):
        return
    if has_read_untrusted and not call.turn.has_read_untrusted:
        change(unit, call.turn, has_read_untrusted=True)
    if call.risk and call.risk != "read":
        kind = AuditKind.EFFECT if state is not CallState.DENIED else AuditKind.REFUSED
        audit(unit, kind, call, actor=call.acting, state=str(state), result=result[:1000])


def ask(unit: Unit, call_id: str, *, summary: str, risk: str, right: str, target_version: str) -> None:
    """Puts the question. Nothing more happens until it is answered."""
    call = call_of(call_id)
    if not move_call(unit, call, CallState.WAITING, summary=summary, risk=risk):
        return
    approval = Approval(
        id=secrets.token_hex(8),
        call=call,
        right=right,
        arguments_hash=call.arguments_hash,
        target_version=target_version,
        created_at=unit.now,
        expires_at=unit.now + APPROVAL_TTL,
    )
    unit.insert(approval)
    publish_step(unit, call)
    audit(unit, AuditKind.PROPOSED, call, actor=call.turn.actor, summary=summary, arguments=call.arguments)


def claim(unit: Unit, call_id: str, *, acting: str, summary: str, risk: str) -> bool:
    """The right to carry the call out, once. For an approved one its approval is used up with it."""
    call = call_of(call_id)
    approval = approval_of(call)
    if approval is not None:
        is_good = approval.state == ApprovalState.APPROVED and approval.expires_at > unit.now
        if not is_good or approval.arguments_hash != call.arguments_hash:
            return False
        change(unit, approval, state=ApprovalState.USED)
        acting = approval.answered_by
    elif call.state != CallState.PROPOSED:
        return False
    if not move_call(unit, call, CallState.RUNNING, acting=acting, summary=summary, risk=risk):
        raise AssertionError("a call that may be claimed can run")
    if risk != "read" and approval is None:
        audit(unit, AuditKind.PROPOSED, call, actor=acting, summary=summary, arguments=call.arguments, asked=False)
    return True


def approval_of(call: ToolCall) -> Approval | None:
    return Approval.objects.filter(call=call).first()


def answer(unit: Unit, approval: Approval, *, actor: str, is_yes: bool, target_version: str) -> ApprovalState:
    """Who comes second is told so. Returns what became of the question."""
    call = call_of(approval.call_id)
    if approval.state != ApprovalState.WAITING:
        who = f" by {approval.answered_by}" if approval.answered_by else ""
        raise ChatRejected("answered", f"This is settled already: {approval.state}{who}.")
    if approval.expires_at <= unit.now:
        deny(unit, approval, call, ApprovalState.EXPIRED, "Nobody answered in time.")
        return ApprovalState.EXPIRED
    if not is_yes:
        reason = f"{actor} declined this action. Do not propose it again."
        deny(unit, approval, call, ApprovalState.DENIED, reason, actor=actor)
        return ApprovalState.DENIED
    if target_version != approval.target_version:
        reason = "Its target has changed since it was proposed; look again before proposing anything."
        deny(unit, approval, call, ApprovalState.STALE, reason, actor=actor)
        return ApprovalState.STALE
    change(unit, approval, state=ApprovalState.APPROVED, answered_by=actor[:150], answered_at=unit.now)
    move_call(unit, call, CallState.APPROVED)
    audit(unit, AuditKind.APPROVED, call, actor=actor, summary=call.summary, arguments=call.arguments)
    return ApprovalState.APPROVED


def deny(unit: Unit, approval: Approval, call: ToolCall, state: ApprovalState, reason: str, *, actor: str = "") -> None:
    change(unit, approval, state=state, answered_by=actor[:150], answered_at=unit.now)
    move_call(unit, call, CallState.DENIED, result=reason, is_error=True)
    audit(unit, AuditKind.REFUSED, call, actor=actor, reason=str(state))


def withdraw(unit: Unit, turn: Turn, state: TurnState, reason: str) -> None:
    """Ends a turn; what it has proposed and nobody has begun is not done any more."""
    for call in ToolCall.objects.filter(turn=turn).select_related("turn__conversation"):
        approval = approval_of(call)
        if approval is not None and approval.state in (ApprovalState.WAITING, ApprovalState.APPROVED):
            deny(unit, approval, call, ApprovalState.WITHDRAWN, reason)
        elif call.state == CallState.PROPOSED:
            move_call(unit, call, CallState.DENIED, result=reason, is_error=True)
    end_turn(unit, turn, state)


def audit(unit: Unit, kind: AuditKind, call: ToolCall, *, actor: str, **detail: Any) -> None:
    unit.insert(
        Audit(
            at=unit.now,
            kind=kind,
            actor=actor[:150],
            conversation_id=call.turn.conversation_id,
            turn_id=call.turn_id,
            call_id=call.id,
            tool=call.name,
            detail=detail,
        )
    )


# --- what is told ---------------------------------------------------------------------------------


def publish_turn(unit: Unit, turn: Turn) -> None:
    unit.publish_chat("CHAT_TURN", turn.conversation_id, turn=turn_info(turn))


def publish_step(unit: Unit, call: ToolCall) -> None:
    unit.publish_chat("CHAT_STEP", call.turn.conversation_id, step=step_info(call, approval_of(call)))


def publish_conversation(unit: Unit, conversation: Conversation) -> None:
    unit.publish_chat("CHAT_CONVERSATION", conversation.id, info=conversation_info(conversation))
