"""The template engine of every page, also of the admin and of error pages: shows unseen characters as marks.

It works on the finished text, so no template and no tag can forget it. Data for scripts is JSON with ASCII escapes,
which stays as it is; the scripts decide with the same table.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.template.backends.django import DjangoTemplates, Template
from django.utils.safestring import SafeString, mark_safe

from nodes.domain.unseen import visible


class VisibleTemplates(DjangoTemplates):
    def from_string(self, template_code: str) -> Template:
        return _Visible(super().from_string(template_code).template, self)

    def get_template(self, template_name: str) -> Template:
        return _Visible(super().get_template(template_name).template, self)


class _Visible(Template):
    def render(self, context: dict[str, Any] | None = None, request: HttpRequest | None = None) -> SafeString:
        rendered = super().render(context, request)
        return mark_safe(visible(rendered))  # noqa: S308 - already rendered; only marks without markup are added
