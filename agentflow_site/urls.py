"""Every URL of the site."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

handler500 = "dashboard.outage.answer_failure"
urlpatterns = [
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("api/v1/", include("dashboard.api.urls")),
    path("", include("dashboard.urls")),
]
