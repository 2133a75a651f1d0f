"""Read-only admin pages of conversations and the memory. Changes go through the Memory page, which audits them."""

from __future__ import annotations

import json

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Length
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from chat.models import (
    Analysis,
    Approval,
    ContextSnapshot,
    Conversation,
    MemoryFile,
    MemoryRevision,
    Message,
    ToolCall,
    Turn,
)
from nodes.admin import HistoryAdmin, page_of

_WHOLE_ID = _("A complete id or name")


@admin.register(Conversation)
class ConversationAdmin(HistoryAdmin):
    list_display = ["id", "project", "node", "epoch", "created_by", "created_at", "last_at", "closed_at"]
    list_filter = [("closed_at", admin.EmptyFieldListFilter)]
    search_fields = ["id__exact", "project", "node"]

    def view_on_site(self, row: Conversation) -> str | None:
        return page_of("dashboard:memory-context", row.pk)


@admin.register(Turn)
class TurnAdmin(HistoryAdmin):
    list_display = [
        "id",
        "conversation",
        "number",
        "trigger",
        "state",
        "actor",
        "engine",
        "requests",
        "cost_microusd",
        "endpoint_error",
        "created_at",
    ]
    list_filter = ["state", "trigger"]
    list_select_related = ["conversation"]
    search_fields = ["id__exact", "conversation__id__exact", "actor__exact"]
    search_help_text = _WHOLE_ID


@admin.register(Message)
class MessageAdmin(HistoryAdmin):
    list_display = ["id", "conversation_id", "turn_id", "epoch", "role", "created_at"]
    search_fields = ["conversation__id__exact", "turn__id__exact"]
    search_help_text = _WHOLE_ID
    sortable_by = ()
    ordering = ["-id"]
    exclude = ["content"]
    readonly_fields = ["blocks"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        rows: QuerySet[Message] = super().get_queryset(request)
        return rows.select_related("conversation", "turn")

    @admin.display(description=_("blocks"))
    def blocks(self, row: Message) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(row.content, ensure_ascii=False, indent=2))


@admin.register(ToolCall)
class ToolCallAdmin(HistoryAdmin):
    list_display = ["id", "name", "risk", "state", "acting", "turn_id", "created_at", "ended_at"]
    list_filter = ["state"]
    search_fields = ["id__exact", "turn__id__exact", "turn__conversation__id__exact", "name__exact", "acting__exact"]
    search_help_text = _WHOLE_ID
    ordering = ["-message", "position"]


@admin.register(Approval)
class ApprovalAdmin(HistoryAdmin):
    list_display = ["id", "call_id", "right", "state", "answered_by", "answered_at", "created_at", "expires_at"]
    list_filter = ["state"]
    search_fields = ["id__exact", "call__id__exact", "call__turn__id__exact", "answered_by__exact"]
    search_help_text = _WHOLE_ID


@admin.register(Analysis)
class AnalysisAdmin(HistoryAdmin):
    list_display = ["id", "task_id", "node_id", "kind", "sort", "engine", "confidence", "verdict", "created_at"]
    list_filter = ["verdict"]
    search_fields = [
        "id__exact",
        "turn__id__exact",
        "turn__conversation__id__exact",
        "task_id__exact",
        "node_id__exact",
    ]
    search_help_text = _WHOLE_ID

    def get_queryset(self, request: HttpRequest) -> QuerySet[Analysis]:
        rows: QuerySet[Analysis] = super().get_queryset(request)
        return rows.select_related("turn")


@admin.register(ContextSnapshot)
class ContextSnapshotAdmin(HistoryAdmin):
    list_display = ["id", "conversation_id", "turn_id", "request", "model", "size_bytes", "at"]
    search_fields = ["conversation__id__exact", "turn__id__exact", "model__exact"]
    search_help_text = _WHOLE_ID
    sortable_by = ()
    readonly_fields = ["sent"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ContextSnapshot]:
        rows: QuerySet[ContextSnapshot] = super().get_queryset(request)
        return rows.defer("body").annotate(length=Length("body")).select_related("conversation", "turn")

    def view_on_site(self, row: ContextSnapshot) -> str | None:
        return page_of("dashboard:memory-request", str(row.pk))

    @admin.display(description=_("bytes"))
    def size_bytes(self, row: ContextSnapshot) -> int:
        return int(vars(row)["length"])

    @admin.display(description=_("request, as sent"))
    def sent(self, row: ContextSnapshot) -> SafeString:
        return format_html("<pre>{}</pre>", bytes(row.body).decode("utf-8", "backslashreplace"))


@admin.register(MemoryFile)
class MemoryFileAdmin(HistoryAdmin):
    list_display = ["path", "scope", "version", "size_bytes", "needs_review", "changed_at", "deleted_at"]
    list_filter = ["needs_review", ("deleted_at", admin.EmptyFieldListFilter)]
    search_fields = ["path", "content"]

    def view_on_site(self, row: MemoryFile) -> str | None:
        return page_of("dashboard:memory-file", str(row.pk))


@admin.register(MemoryRevision)
class MemoryRevisionAdmin(HistoryAdmin):
    list_display = ["path", "version", "action", "actor", "engine", "is_tainted", "at"]
    list_filter = ["action", "is_tainted"]
    search_fields = ["path", "actor__exact", "turn_id__exact", "conversation_id__exact"]
