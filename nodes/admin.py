"""Admin pages of the fleet: rows that AgentFlow wrote are read-only.

Lists stay fast on tables of any size: they walk an index and count only as far as a person would page.
"""

from __future__ import annotations

import json

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from nodes.domain.phrases import phrases_of
from nodes.leader.projection.task_messages import without_secrets
from nodes.models import Alert, Attempt, Command, DeadLetter, Event, Journal, LogLine, Node, NodeToken, Task
from nodes.phrases import worded
from nodes.stream.identity import TokenRole

COUNT_LIMIT = 5_000


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # The stub's parameter does not exist at run time.
    """Counts up to `COUNT_LIMIT`: on SQLite a full count reads the whole table."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        return rows.order_by()[:COUNT_LIMIT].count() if isinstance(rows, QuerySet) else len(rows)


class SiteRightsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Anyone who may enter the site may manage its rows: the role decides, not Django's per-model permissions."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.admin_site.has_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.admin_site.has_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.admin_site.has_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.admin_site.has_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.admin_site.has_permission(request)


def page_of(name: str, row_id: str) -> str | None:
    """The URL of the row's dashboard page; None for an id that cannot be part of a URL."""
    try:
        return reverse(name, args=[row_id])
    except NoReverseMatch:
        return None


class HistoryAdmin(SiteRightsAdmin):
    """Read-only rows that the Leader writes."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Node)
class NodeAdmin(HistoryAdmin):
    list_display = ["id", "role", "parent", "state", "slots", "last_seen_at", "registered_at", "retired_at"]
    list_filter = ["role", "state", ("retired_at", admin.EmptyFieldListFilter)]
    search_fields = ["id", "address"]

    def view_on_site(self, row: Node) -> str | None:
        return page_of("dashboard:node-detail", row.pk)


class AttemptInline(admin.TabularInline):  # type: ignore[type-arg]
    model = Attempt
    fields = ("number", "node_id", "state", "exit_code", "started_at", "ended_at", "cpu_seconds", "message")
    readonly_fields = fields
    show_change_link = True
    can_delete = False
    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.admin_site.has_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Task)
class TaskAdmin(HistoryAdmin):
    list_display = [
        "name",
        "id",
        "project",
        "node_id",
        "state",
        "health",
        "attempt",
        "created_by",
        "created_at",
        "ended_at",
    ]
    list_filter = ["state", "health", "node"]
    search_fields = ["id__startswith", "name", "project", "created_by__exact"]
    date_hierarchy = "created_at"
    inlines = [AttemptInline]
    exclude = ["spec"]  # Its environment may hold secrets.
    readonly_fields = ["request"]

    @admin.display(description=_("request"))
    def request(self, row: Task) -> str:
        return json.dumps(without_secrets(row.spec), ensure_ascii=False)

    def view_on_site(self, row: Task) -> str | None:
        return page_of("dashboard:task-detail", row.pk)


@admin.register(Attempt)
class AttemptAdmin(HistoryAdmin):
    list_display = [
        "task",
        "number",
        "node_id",
        "state",
        "exit_code",
        "created_at",
        "started_at",
        "ended_at",
        "cpu_seconds",
    ]
    list_filter = ["state", "node"]
    list_select_related = ["task"]
    search_fields = ["task__id__startswith", "task__name"]
    date_hierarchy = "created_at"


@admin.register(LogLine)
class LogLineAdmin(HistoryAdmin):
    """No filters: a filter for a rare level would read the whole table. Search for a task's lines by its id."""

    list_display = ["id", "node_id", "task_id", "attempt", "number", "level", "stream", "line"]
    search_fields = ["task_id__exact"]
    search_help_text = _("The full id of a task")
    # The primary key is the order of arrival; any other order would sort the whole table.
    sortable_by = ()
    ordering = ["-id"]

    @admin.display(description=_("text"))
    def line(self, row: LogLine) -> str:
        return row.text if len(row.text) <= 200 else row.text[:199] + "…"


@admin.register(Command)
class CommandAdmin(HistoryAdmin):
    list_display = ["id", "kind", "task_id", "attempt", "node", "state", "code", "actor", "created_at", "changed_at"]
    list_filter = ["state", "kind"]
    search_fields = ["id__exact", "task__id__exact", "node__exact", "actor__exact"]


@admin.register(Alert)
class AlertAdmin(HistoryAdmin):
    list_display = ["said", "level", "kind", "node_id", "task_name", "task_id", "opened_at", "resolved_at"]
    list_filter = ["level", ("resolved_at", admin.EmptyFieldListFilter)]
    search_fields = ["node_id__exact", "task_id__exact", "task_name", "message"]

    @admin.display(description=_("message"))
    def said(self, row: Alert) -> str:
        return worded({"message": row.message, "phrases": phrases_of(message=row.message_parts)}, "message")


@admin.register(Event)
class EventAdmin(HistoryAdmin):
    list_display = ["id", "node_id", "kind", "task_id", "journal_id", "seq", "received_at"]
    search_fields = ["task_id__exact", "journal_id__exact"]
    search_help_text = _("The full id of a task or journal")
    sortable_by = ()
    ordering = ["-id"]


@admin.register(Journal)
class JournalAdmin(HistoryAdmin):
    list_display = ["id", "node_id", "lane", "seq"]
    list_filter = ["lane"]
    search_fields = ["id__exact", "node_id__exact"]
    ordering = ["node_id", "lane"]


@admin.register(DeadLetter)
class DeadLetterAdmin(HistoryAdmin):
    list_display = ["id", "node_id", "code", "message", "journal_id", "seq", "received_at"]
    search_fields = ["node_id__exact", "code__exact", "journal_id__exact"]
    readonly_fields = ["bytes_received"]

    @admin.display(description=_("bytes"))
    def bytes_received(self, row: DeadLetter) -> SafeString:
        body = bytes(row.body)
        shown = body[:4096].hex(" ", 2)
        return format_html("<pre>{}{}</pre>{} B", shown, " …" if len(body) > 4096 else "", len(body))


@admin.register(NodeToken)
class NodeTokenAdmin(HistoryAdmin):
    """Tokens issued by `manage.py token new`; they can be revoked here or by the command."""

    list_display = [
        "node_id",
        "role",
        "token_id",
        "issued_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
        "revoked_by",
    ]
    list_filter = ["role", ("revoked_at", admin.EmptyFieldListFilter)]
    search_fields = ["node_id", "token_id__exact"]
    actions = ["revoke"]

    @admin.action(description=_("Revoke the selected tokens"))
    def revoke(self, request: HttpRequest, rows: QuerySet[NodeToken]) -> None:
        """A running Leader checks for revoked tokens and ends their streams."""
        who = request.user.get_username()
        count = rows.filter(revoked_at=None).update(revoked_at=timezone.now(), revoked_by=who)
        text = ngettext("%(count)d token revoked.", "%(count)d tokens revoked.", count) % {"count": count}
        self.message_user(request, text, messages.SUCCESS)
        names = sorted({row.node_id for row in rows if row.role != TokenRole.WEB})
        pages = [(page, name) for name in names if (page := page_of("dashboard:node-detail", name)) is not None]
        if pages:
            links = format_html_join(", ", '<a href="{}">{}</a>', pages)
            offer = format_html(gettext("If a node is gone for good, retire it on its page: {}"), links)
            self.message_user(request, offer, messages.INFO)
