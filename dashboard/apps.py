from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps
from django.utils.translation import gettext_lazy as _


class DashboardConfig(AppConfig):
    name = "dashboard"
    default = True
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("access by programs")


class AgentFlowAdminConfig(admin_apps.AdminConfig):
    """Django admin with AgentFlow's roles and login page."""

    default = False
    default_site = "dashboard.admin_site.AgentFlowAdminSite"
