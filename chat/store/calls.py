"""Tool calls and their approvals: each call runs at most once, and everything is audited."""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from chat.errors import ChatRejected
from chat.models import Approval, ToolCall
from chat.phrases import Phrase, TextOrPhrase, phrase, render, with_phrase
from chat.states import CALL_TRANSITIONS, ApprovalState, AuditKind, CallState
from chat.store.fixes import follow
from chat.store.rows import approval_of, call_of, change, publish_step
from nodes.audit import entry
from nodes.leader.projection.unit_of_work import UnitOfWork

APPROVAL_TTL = timedelta(minutes=10)
_LOOK_AGAIN = "Look again before proposing anything."
_CALLS = uuid.UUID("9d7e0a53-5c0b-4b0e-9a39-3f3c1a3c7b52")


def call_id(turn_id: str, message_id: int, tool_use_id: str) -> str:
    return uuid.uuid5(_CALLS, f"{turn_id} {message_id} {tool_use_id}").hex


def command_id(call: ToolCall, number: int = 0) -> str:
    """The id of the command (or task) that this call causes. Stable, so that sending it twice acts once."""
    return uuid.uuid5(_CALLS, f"{call.id} {call.arguments_hash} {number}").hex


def hash_of(name: str, arguments: Any) -> str:
    return hashlib.sha256(json.dumps([name, arguments], sort_keys=True).encode()).hexdigest()


def move_call(unit: UnitOfWork, call: ToolCall, state: CallState, **values: Any) -> bool:
    """Changes the state; False if the transition is not allowed."""
    if state not in CALL_TRANSITIONS[CallState(call.state)]:
        return False
    if state.is_final:
        values["ended_at"] = unit.now
    change(unit, call, state=state, **values)
    publish_step(unit, call)
    follow(unit, call.turn)
    return True


def result_fields(call: ToolCall, result: TextOrPhrase, hint: str = "") -> dict[str, Any]:
    """Engines get English, like everything in a tool; people get the phrase."""
    text = f"{render(result, 'en')} {hint}".rstrip() if hint else render(result, "en")
    return {"result": text, "phrases": with_phrase(call.phrases, "result", result)}


def summary_fields(call: ToolCall, summary: TextOrPhrase) -> dict[str, Any]:
    phrases = with_phrase(call.phrases, "summary", summary)
    return {"summary": render(summary, call.turn.language), "phrases": phrases}


def finish_call(
    unit: UnitOfWork,
    call_id: str,
    state: CallState,
    result: TextOrPhrase,
    *,
    is_error: bool = False,
    is_untrusted: bool = False,
    ends_consent: bool = False,
) -> None:
    """`is_untrusted`: the result has texts of strangers. `ends_consent`: it has their output or messages, after which
    this turn's actions need an approval.
    """
    call = call_of(call_id)
    values = {**result_fields(call, result), "is_error": is_error, "is_untrusted": is_untrusted}
    if not move_call(unit, call, state, **values):
        return
    if ends_consent and not call.turn.has_read_untrusted:
        change(unit, call.turn, has_read_untrusted=True)
    if call.risk and call.risk != "read":
        kind = AuditKind.EFFECT if state is not CallState.DENIED else AuditKind.REFUSED
        audit(unit, kind, call, actor=call.acting, state=str(state), result=call.result[:1000])


def ask(unit: UnitOfWork, call_id: str, *, summary: Phrase, risk: str, right: str, target_version: str) -> None:
    """Creates an approval. The call waits until it is answered."""
    call = call_of(call_id)
    if not move_call(unit, call, CallState.WAITING, **summary_fields(call, summary), risk=risk):
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
    audit(unit, AuditKind.PROPOSED, call, actor=call.turn.actor, **_summary_of(call), arguments=call.arguments)


def claim(unit: UnitOfWork, call_id: str, *, acting: str, summary: TextOrPhrase, risk: str) -> bool:
    """Claims the call for execution, at most once. Uses up its approval."""
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
    if not move_call(unit, call, CallState.RUNNING, acting=acting, **summary_fields(call, summary), risk=risk):
        raise AssertionError("a claimable call can run")
    if risk != "read" and approval is None:
        audit(unit, AuditKind.PROPOSED, call, actor=acting, **_summary_of(call), arguments=call.arguments, asked=False)
    return True


def answer(unit: UnitOfWork, approval: Approval, *, actor: str, is_yes: bool, target_version: str) -> ApprovalState:
    """Answers the approval and returns its new state. Raises `ChatRejected` "answered" if it is settled."""
    call = call_of(approval.call_id)
    if approval.state in (ApprovalState.EXPIRED, ApprovalState.STALE):
        return ApprovalState(approval.state)
    if approval.state != ApprovalState.WAITING:
        who = f" by {approval.answered_by}" if approval.answered_by else ""
        raise ChatRejected("answered", f"This is already settled: {approval.state}{who}.")
    if approval.expires_at <= unit.now:
        deny(unit, approval, call, ApprovalState.EXPIRED, phrase("refused.expired"))
        return ApprovalState.EXPIRED
    if not is_yes:
        reason = phrase("refused.declined", name=actor)
        deny(unit, approval, call, ApprovalState.DENIED, reason, "Do not propose it again.", actor=actor)
        return ApprovalState.DENIED
    if target_version != approval.target_version:
        deny(unit, approval, call, ApprovalState.STALE, phrase("refused.stale"), _LOOK_AGAIN, actor=actor)
        return ApprovalState.STALE
    change(unit, approval, state=ApprovalState.APPROVED, answered_by=actor[:150], answered_at=unit.now)
    move_call(unit, call, CallState.APPROVED)
    audit(unit, AuditKind.APPROVED, call, actor=actor, **_summary_of(call), arguments=call.arguments)
    return ApprovalState.APPROVED


def deny(
    unit: UnitOfWork,
    approval: Approval,
    call: ToolCall,
    state: ApprovalState,
    reason: Phrase,
    hint: str = "",
    *,
    actor: str = "",
) -> None:
    """Ends a call that was not approved. `hint`: added for the engine only."""
    change(unit, approval, state=state, answered_by=actor[:150], answered_at=unit.now)
    move_call(unit, call, CallState.DENIED, **result_fields(call, reason, hint), is_error=True)
    audit(unit, AuditKind.REFUSED, call, actor=actor, reason=str(state))


def close_approvals(unit: UnitOfWork, version_now: Callable[[UnitOfWork, ToolCall], str]) -> None:
    """Closes open approvals that have expired or whose target has changed."""
    for approval in Approval.objects.filter(state=ApprovalState.WAITING):
        call = call_of(approval.call_id)
        if approval.expires_at <= unit.now:
            deny(unit, approval, call, ApprovalState.EXPIRED, phrase("refused.expired"))
        elif version_now(unit, call) != approval.target_version:
            deny(unit, approval, call, ApprovalState.STALE, phrase("refused.stale"), _LOOK_AGAIN)


def _summary_of(call: ToolCall) -> dict[str, Any]:
    kept = call.phrases.get("summary")
    return {"summary": call.summary, "phrases": {"summary": kept} if kept else {}}


def audit(unit: UnitOfWork, kind: AuditKind, call: ToolCall, *, actor: str, **detail: Any) -> None:
    unit.insert(
        entry(
            kind,
            at=unit.now,
            actor=actor,
            result=detail.get("state") or detail.get("reason") or "",
            conversation_id=call.turn.conversation_id,
            turn_id=call.turn_id,
            call_id=call.id,
            tool=call.name,
            detail=detail,
        )
    )
