"""Queries for pages, sockets and programs: results in the format of `/ws/`, with limits. Sync; read-only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from chat import withheld
from chat.contexts import ANY, Context
from chat.messages import analysis_info, conversation_info, message_info, milliseconds, step_info, turn_info
from chat.models import Analysis, Approval, Conversation, EngineStatus, Message, ToolCall, Turn
from chat.phrases import worded
from chat.states import AuditKind
from nodes import selectors as fleet
from nodes.errors import NotFound
from nodes.models import AuditEntry

Fields = dict[str, Any]

SNAPSHOT_TURNS = 50
_MAX_ROWS = 200


def engine_status() -> Fields:
    """The engine in use: `name` ("claude" or "offline"), `model`, `reason` (why offline: "no-key", "chosen",
    "daily-limit").
    """
    found = EngineStatus.objects.filter(id=1).first()
    if found is None:
        return {"name": "offline", "model": "", "reason": "not-started"}
    return {"name": found.name, "model": found.model, "reason": found.reason}


def contexts() -> list[str]:
    """Every "project:node" that a conversation can be about: projects that nodes report, with "*" on either side."""
    pairs: set[tuple[str, str]] = set()
    for node in fleet.node_list():
        if node["role"] == "leader":
            continue
        pairs.add((ANY, node["id"]))
        for project in node["capabilities"].get("projects", ()):
            pairs |= {(project["name"], node["id"]), (project["name"], ANY)}
    return [f"{ANY}:{ANY}", *sorted(f"{project}:{node}" for project, node in pairs)]


def conversation_list(*, context: str = "", limit: int = 50, page: int = 1) -> Fields:
    """Conversations, newest first, including closed ones."""
    rows = Conversation.objects.order_by("-last_at", "-id")
    if context:
        wanted = Context.parse(context)
        rows = rows.filter(project=wanted.project, node=wanted.node)
    limit = min(max(limit, 1), _MAX_ROWS)
    start = (max(page, 1) - 1) * limit
    found = list(rows[start : start + limit + 1])
    return {
        "results": [conversation_info(row) for row in found[:limit]],
        "page": page,
        "hasMore": len(found) > limit,
        "engine": engine_status(),
    }


def conversation(
    conversation_id: str,
    *,
    before: int = 0,
    limit: int = SNAPSHOT_TURNS,
    language: str | None = None,
    sees_commands: bool = False,
) -> Fields:
    """One conversation with its latest turns, oldest first. `before`: only turns with a smaller number.

    `language`: of AgentFlow's own texts; None = the conversation's. `sees_commands`: the reader may run commands.
    Raises `NotFound`.
    """
    row = Conversation.objects.filter(id=conversation_id).first()
    if row is None:
        raise NotFound(f"There is no conversation {conversation_id}.")
    turns = Turn.objects.filter(conversation=row).order_by("-number")
    if before:
        turns = turns.filter(number__lt=before)
    limit = min(max(limit, 1), _MAX_ROWS)
    newest = list(turns[: limit + 1])
    shown = newest[:limit][::-1]
    return {
        **conversation_info(row),
        "engine": engine_status(),
        "turns": _with_parts(shown, language, sees_commands=sees_commands),
        "hasMore": len(newest) > limit,
    }


def step(call_id: str, *, language: str | None = None, sees_commands: bool = False) -> Fields:
    """One tool call; arguments as for `conversation`. Raises `NotFound`."""
    call = ToolCall.objects.filter(id=call_id).select_related("turn").first()
    if call is None:
        raise NotFound(f"There is no step {call_id}.")
    approval = Approval.objects.filter(call=call).first()
    return step_info(call, approval, language, sees_commands=sees_commands)


def _with_parts(turns: Sequence[Turn], language: str | None, *, sees_commands: bool) -> list[Fields]:
    messages: defaultdict[str, list[Fields]] = defaultdict(list)
    for message in Message.objects.filter(turn__in=turns, role="assistant").exclude(text="").order_by("id"):
        messages[message.turn_id].append(message_info(message, language))
    calls = list(ToolCall.objects.filter(turn__in=turns).select_related("turn").order_by("message", "position"))
    approvals = {approval.call_id: approval for approval in Approval.objects.filter(call__in=calls)}
    steps: defaultdict[str, list[Fields]] = defaultdict(list)
    for call in calls:
        info = step_info(call, approvals.get(call.id), language, sees_commands=sees_commands)
        steps[call.turn_id].append(info)
    found = Analysis.objects.filter(turn__in=turns).select_related("turn")
    analyses = {analysis.turn_id: analysis_info(analysis, language) for analysis in found}
    return [
        {
            **turn_info(turn, language),
            "messages": messages[turn.id],
            "steps": steps[turn.id],
            "analysis": analyses.get(turn.id),
        }
        for turn in turns
    ]


def snapshot(topics: Sequence[str]) -> Fields:
    """The `chats` of a snapshot: existing conversations among these topics."""
    found = []
    for topic in topics:
        kind, _, conversation_id = topic.partition(":")
        if kind == "chat" and Conversation.objects.filter(id=conversation_id).exists():
            found.append(conversation(conversation_id))
    return {"chats": found} if any(topic.startswith("chat:") for topic in topics) else {}


def audit(
    *, conversation_id: str = "", limit: int = 100, language: str | None = None, sees_commands: bool = False
) -> list[Fields]:
    """Proposals, approvals, refusals and effects, newest first. `language`, `sees_commands`: as for `conversation`."""
    rows = AuditEntry.objects.filter(kind__in=list(AuditKind)).order_by("-id")
    if conversation_id:
        rows = rows.filter(conversation_id=conversation_id)
    return [
        {
            "id": str(row.pk),
            "at": milliseconds(row.at),
            "kind": row.kind,
            "actor": row.actor,
            "conversation": row.conversation_id,
            "turn": row.turn_id,
            "step": row.call_id,
            "tool": row.tool,
            "detail": worded(_detail(row, language, sees_commands=sees_commands), language),
        }
        for row in rows[: min(max(limit, 1), _MAX_ROWS)]
    ]


def _detail(row: AuditEntry, language: str | None, *, sees_commands: bool) -> Fields:
    detail = {"phrases": {}, **row.detail}
    return detail if sees_commands else withheld.public_step(row.tool, detail, language)
