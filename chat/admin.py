"""Admin pages of conversations and the memory: to be looked at. Changes go through the page Memory, audited."""

from __future__ import annotations

from django.contrib import admin

from chat.models import Audit, Conversation, MemoryFile, MemoryRevision, Turn
from nodes.admin import HistoryAdmin


@admin.register(Conversation)
class ConversationAdmin(HistoryAdmin):
    list_display = ["id", "project", "node", "created_by", "created_at", "last_at", "closed_at"]
    search_fields = ["id__exact", "project", "node"]


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
        "cost_microusd",
        "created_at",
    ]
    list_filter = ["state", "trigger"]
    list_select_related = ["conversation"]
    search_fields = ["id__exact", "conversation__id__exact"]


@admin.register(Audit)
class AuditAdmin(HistoryAdmin):
    list_display = ["id", "at", "kind", "actor", "tool", "conversation_id", "turn_id"]
    list_filter = ["kind"]
    search_fields = ["actor__exact", "conversation_id__exact", "turn_id__exact"]


@admin.register(MemoryFile)
class MemoryFileAdmin(HistoryAdmin):
    list_display = ["path", "scope", "version", "size_bytes", "needs_review", "changed_at", "deleted_at"]
    list_filter = ["needs_review"]
    search_fields = ["path", "content"]


@admin.register(MemoryRevision)
class MemoryRevisionAdmin(HistoryAdmin):
    list_display = ["path", "version", "action", "actor", "engine", "is_tainted", "at"]
    list_filter = ["action", "is_tainted"]
    search_fields = ["path", "actor__exact"]
