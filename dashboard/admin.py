"""Admin pages of users, groups, API tokens and the audit."""

from __future__ import annotations

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from chat.states import AuditKind
from dashboard.models import ApiToken
from nodes.admin import HistoryAdmin, SiteRightsAdmin
from nodes.domain.access import AccessKind
from nodes.models import AuditEntry

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class AccountAdmin(SiteRightsAdmin, UserAdmin):  # type: ignore[type-arg]
    """Users and their roles. Omits Django's own flags and permissions, because AgentFlow ignores them."""

    list_display = ["username", "roles", "is_active", "last_login", "date_joined"]
    list_filter = ["groups", "is_active"]
    search_fields = ["username", "first_name", "last_name", "email"]
    filter_horizontal = ()
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        (_("Role"), {"fields": ["is_active", "groups"]}),
        (_("Personal info"), {"fields": ["first_name", "last_name", "email"]}),
        (_("Important dates"), {"fields": ["last_login", "date_joined"]}),
    ]
    readonly_fields = ["last_login", "date_joined"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description=_("role"))
    def roles(self, user: User) -> str:
        if user.is_superuser:
            return "admin"
        return ", ".join(sorted(group.name for group in user.groups.all())) or "–"


@admin.register(ApiToken)
class ApiTokenAdmin(HistoryAdmin):
    """Revokes API tokens. Only `manage.py apitoken new` creates them, as it shows each token once."""

    list_display = ["prefix", "name", "user", "role", "created_at", "expires_at", "last_used_at", "revoked_at"]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["prefix", "name", "user__username"]
    fields = ["prefix", "name", "user", "role", "created_at", "expires_at", "last_used_at", "revoked_at"]
    actions = ["revoke"]

    @admin.action(description=_("Revoke the selected tokens"))
    def revoke(self, request: HttpRequest, rows: QuerySet[ApiToken]) -> None:
        count = rows.filter(revoked_at=None).update(revoked_at=timezone.now())
        text = ngettext("%(count)d token revoked.", "%(count)d tokens revoked.", count) % {"count": count}
        self.message_user(request, text, messages.SUCCESS)


class _Kind(admin.SimpleListFilter):
    """The kinds are listed here, because collecting them from the rows would scan the whole table."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[AuditEntry]) -> list[tuple[str, str]]:
        return [(kind, kind) for kind in (*map(str, AccessKind), *map(str, AuditKind))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(HistoryAdmin):
    list_display = ["id", "at", "kind", "actor", "address", "result", "count", "tool", "conversation_id", "call_id"]
    list_filter = [_Kind]
    search_fields = [f"{name}__exact" for name in ("actor", "address", "conversation_id", "turn_id", "call_id", "tool")]
    search_help_text = _("The full id, user or address")
    sortable_by = ()
