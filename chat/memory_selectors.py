"""Queries of the memory and of sent requests, for pages and programs, as dictionaries with limits. Sync; read-only."""

from __future__ import annotations

import difflib
import json
from typing import Any

from chat import withheld
from chat.contexts import Context
from chat.memory.sections import sections_of
from chat.messages import milliseconds
from chat.models import ContextSnapshot, Conversation, MemoryFile, MemoryRevision, Turn
from chat.phrases import worded
from chat.requests import build
from nodes.errors import NotFound

Fields = dict[str, Any]

MAX_FILES = 200
_REVISIONS = 50
_EXCERPT_CHARACTERS = 120


def scopes() -> list[str]:
    return sorted(set(MemoryFile.objects.values_list("scope", flat=True)))


def memory_list(*, scope: str = "", text: str = "", deleted: bool = False) -> list[Fields]:
    """Memory files sorted by path; `text` must occur in the path or content."""
    rows = MemoryFile.objects.filter(deleted_at__isnull=not deleted)
    if scope:
        rows = rows.filter(scope=scope)
    if text:
        rows = rows.filter(path__icontains=text) | rows.filter(content__icontains=text)
    return [_file_info(row) for row in rows.order_by("path", "id")[:MAX_FILES]]


def memory_file(file_id: int, *, language: str | None = None) -> Fields:
    """The file with its text and its revisions, newest first, each with its diff to the previous one.

    `language`: of AgentFlow's own texts; None = as stored. Raises `NotFound`.
    """
    file = MemoryFile.objects.filter(id=file_id).first()
    if file is None:
        raise NotFound(f"There is no memory file {file_id}.")
    rows = list(MemoryRevision.objects.filter(file=file).order_by("-version")[: _REVISIONS + 1])
    before = [row.content for row in rows[1:]] + [""]
    revisions = [_revision_info(row, old, language) for row, old in zip(rows, before, strict=True)]
    return {**_file_info(file), "content": file.content, "revisions": revisions[:_REVISIONS]}


def _file_info(file: MemoryFile) -> Fields:
    return {
        "id": str(file.pk),
        "scope": file.scope,
        "path": file.path,
        "sizeBytes": file.size_bytes,
        "version": file.version,
        "needsReview": file.needs_review,
        "excerpt": _excerpt(file.content),
        "changedAt": milliseconds(file.changed_at),
        "deletedAt": milliseconds(file.deleted_at),
    }


def _excerpt(content: str) -> str:
    """The last line, as new lines are appended."""
    lines = [line.strip().removeprefix("- ") for line in content.splitlines() if line.strip()]
    return lines[-1][:_EXCERPT_CHARACTERS] if lines else ""


def _revision_info(row: MemoryRevision, before: str, language: str | None) -> Fields:
    lines = difflib.unified_diff(before.splitlines(), row.content.splitlines(), lineterm="", n=2)
    fields = {
        "version": row.version,
        "action": row.action,
        "path": row.path,
        "content": row.content,
        "actor": row.actor,
        "engine": row.engine,
        "conversation": row.conversation_id,
        "turn": row.turn_id,
        "why": row.why,
        "phrases": row.phrases,
        "isTainted": row.is_tainted,
        "at": milliseconds(row.at),
        "diff": list(lines)[2:],
    }
    return worded(fields, language)


# --- requests to the model ------------------------------------------------------------------------


def context_of(conversation_id: str, *, sees_commands: bool = False) -> Fields:
    """The last sent requests, newest first, and the one that would be sent now. Raises `NotFound`.

    `sees_commands`: the reader may run commands; for others, the commands in them are left out.
    """
    conversation = Conversation.objects.filter(id=conversation_id).first()
    if conversation is None:
        raise NotFound(f"There is no conversation {conversation_id}.")
    rows = ContextSnapshot.objects.filter(conversation=conversation).select_related("turn").order_by("-id")
    sent = [
        {
            "id": str(row.pk),
            "turn": row.turn_id,
            "number": row.turn.number,
            "request": row.request,
            "model": row.model,
            "usage": row.usage,
            "at": milliseconds(row.at),
            "isSent": True,
            "sections": sections_of(_body(bytes(row.body), sees_commands=sees_commands), row.usage),
        }
        for row in rows
    ]
    return {
        "conversation": conversation_id,
        "context": str(conversation),
        "requests": [*_next(conversation, sees_commands=sees_commands), *sent],
    }


def _next(conversation: Conversation, *, sees_commands: bool) -> list[Fields]:
    turn = Turn.objects.filter(conversation=conversation).order_by("-number").first()
    if turn is None:
        return []
    request = build(turn.id, Context(project=conversation.project, node=conversation.node))
    request_body = {"system": request.system, "tools": list(request.tools), "messages": list(request.messages)}
    body = json.dumps(request_body, ensure_ascii=False).encode()
    return [
        {
            "id": "next",
            "turn": turn.id,
            "number": turn.number,
            "request": turn.requests + 1,
            "model": turn.model,
            "usage": {},
            "at": None,
            "isSent": False,
            "sections": sections_of(_body(body, sees_commands=sees_commands), {}),
        }
    ]


def raw_request(snapshot_id: int, *, sees_commands: bool = False) -> bytes:
    """The request's body, exactly as sent; `sees_commands` as for `context_of`. Raises `NotFound`."""
    found = ContextSnapshot.objects.filter(id=snapshot_id).values_list("body", flat=True).first()
    if found is None:
        raise NotFound(f"There is no request {snapshot_id}.")
    return _body(bytes(found), sees_commands=sees_commands)


def _body(body: bytes, *, sees_commands: bool) -> bytes:
    return body if sees_commands else withheld.public_request(body)
