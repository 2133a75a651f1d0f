"""Conversations in the format of `/ws/` and REST (docs/websocket.md).

`language`: of AgentFlow's own texts; None = as stored, which is the conversation's language.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from chat import withheld
from chat.models import Analysis, Approval, Conversation, Message, ToolCall, Turn
from chat.phrases import worded
from chat.untrusted import plain
from nodes.domain.storable import storable_text

Fields = dict[str, Any]

_RESULT_SHOWN = 4_000


def milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)


def conversation_info(conversation: Conversation) -> Fields:
    return {
        "id": conversation.id,
        "context": str(conversation),
        "project": conversation.project,
        "node": conversation.node,
        "isOpen": conversation.closed_at is None,
        "createdAt": milliseconds(conversation.created_at),
        "lastAt": milliseconds(conversation.last_at),
    }


def turn_info(turn: Turn, language: str | None = None) -> Fields:
    fields = {
        "id": turn.id,
        "number": turn.number,
        "trigger": turn.trigger,
        "state": turn.state,
        "isRetriable": turn.is_retriable,
        "actor": turn.actor,
        "text": turn.text,
        "engine": turn.engine,
        "model": turn.model,
        "problem": turn.problem,
        "message": turn.message,
        "phrases": turn.phrases,
        "language": turn.language,
        "usage": turn.usage,
        "costUsd": turn.cost_microusd / 1_000_000,
        "isCostPartial": turn.is_cost_partial,
        "createdAt": milliseconds(turn.created_at),
        "endedAt": milliseconds(turn.ended_at),
    }
    return worded(fields, language)


def message_info(message: Message, language: str | None = None) -> Fields:
    fields = {
        "id": str(message.pk),
        "turn": message.turn_id,
        "text": message.text,
        "phrases": message.phrases,
        "createdAt": milliseconds(message.created_at),
    }
    return worded(fields, language, escape=plain)


def step_info(
    call: ToolCall, approval: Approval | None, language: str | None = None, *, sees_commands: bool = False
) -> Fields:
    """A tool call as a person sees it. `message`: the answer that contains it; `position`: its index there.

    `sees_commands`: the reader may run commands; messages to everyone withhold them.
    """
    is_withheld = not sees_commands and withheld.is_private(call.name)
    fields = {
        "id": call.id,
        "turn": call.turn_id,
        "message": str(call.message_id),
        "position": call.position,
        "tool": call.name,
        "arguments": call.arguments,
        "risk": call.risk,
        "summary": call.summary,
        "state": call.state,
        "acting": call.acting,
        "result": call.result[:_RESULT_SHOWN],
        "phrases": call.phrases,
        "isError": call.is_error,
        "createdAt": milliseconds(call.created_at),
        "endedAt": milliseconds(call.ended_at),
        "approval": None if approval is None else approval_info(approval),
        "isWithheld": is_withheld,
    }
    if is_withheld:
        fields = withheld.public_step(call.name, fields, language or call.turn.language)
    return worded(fields, language)


def approval_info(approval: Approval) -> Fields:
    return {
        "id": approval.id,
        "digest": approval.digest,
        "state": approval.state,
        "right": approval.right,
        "expiresAt": milliseconds(approval.expires_at),
        "answeredBy": approval.answered_by,
        "answeredAt": milliseconds(approval.answered_at),
    }


def analysis_info(analysis: Analysis, language: str | None = None) -> Fields:
    """The result of a stall's turn. Quotes are what programs printed."""
    fields = {
        "id": analysis.id,
        "turn": analysis.turn_id,
        "alert": str(analysis.alert_id),
        "task": analysis.task_id,
        "node": analysis.node_id,
        "others": analysis.turn.other_tasks,
        "kind": analysis.kind,
        "engine": analysis.engine,
        "cause": analysis.cause,
        "confidence": analysis.confidence,
        "evidence": analysis.evidence,
        # A fix that an earlier version stored has no phrases.
        "fixes": [worded({"phrases": {}, **fix, "digest": fix_digest(fix)}, language) for fix in analysis.fixes],
        "verdict": analysis.verdict,
        "verdictFix": analysis.verdict_fix,
        "verdictText": analysis.verdict_text,
        "verdictAt": milliseconds(analysis.verdict_at),
        "phrases": analysis.phrases,
        "language": analysis.turn.language,
        "createdAt": milliseconds(analysis.created_at),
    }
    return worded(fields, language)


def fix_digest(fix: Fields) -> str:
    """Of what a click on the fix does."""
    seen = json.dumps([fix["tool"], fix["arguments"]], sort_keys=True)
    return hashlib.sha256(seen.encode()).hexdigest()[:16]


def delta(*, conversation_id: str, turn_id: str, request: int, offset: int, text: str) -> Fields:
    """CHAT_DELTA: `text` replaces everything of this answer from `offset` on."""
    return {
        "type": "CHAT_DELTA",
        "conversation": conversation_id,
        "turn": turn_id,
        "request": request,
        "offset": offset,
        "text": text,
    }


def shown_text(content: Iterable[Fields]) -> str:
    """The visible text of an answer's blocks, in a form that every database accepts."""
    texts = (block.get("text") for block in content if block.get("type") == "text")
    return storable_text("\n\n".join(text for text in texts if isinstance(text, str) and text.strip()))
