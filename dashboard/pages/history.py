"""The work log: every attempt, filtered by node, state, project, time and text."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.methods import only
from dashboard.pages import labels
from dashboard.pages.paging import asked_page, pager
from dashboard.pages.shell import live_data, render_fragment, render_page
from dashboard.pages.unreachable import mark_unreachable
from dashboard.rights import Right, may, request_role, require_right
from nodes import selectors

_MAX_TEXT = 200


class WorkLogForm(forms.Form):
    """The filters of the work log; every field may be empty."""

    node = forms.CharField(required=False, max_length=64)
    state = forms.ChoiceField(required=False, choices=[("", ""), *((state, state) for state in labels.TASK_STATES)])
    project = forms.CharField(required=False, max_length=_MAX_TEXT)
    since = forms.DateField(required=False, label=gettext_lazy("From"))
    until = forms.DateField(required=False, label=gettext_lazy("To"))
    text = forms.CharField(required=False, max_length=_MAX_TEXT)

    def filters(self) -> dict[str, Any]:
        """Arguments of `selectors.work_log`. An invalid field filters nothing, and its error is shown."""
        cleaned = getattr(self, "cleaned_data", {})
        since, until = cleaned.get("since"), cleaned.get("until")
        return {
            **{name: cleaned.get(name, "") for name in ("node", "state", "project", "text")},
            "since": _midnight(since) if since else None,
            # Includes the last day.
            "until": _midnight(until + timedelta(days=1)) if until and until < date.max else None,
        }


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, datetime.min.time()))


@only("GET")
@require_right(Right.VIEW)
def work_log(request: HttpRequest) -> HttpResponse:
    form = WorkLogForm(request.GET)
    form.is_valid()
    number = asked_page(request)
    sees_commands = may(request_role(request), Right.RUN_COMMANDS)
    data = live_data(("nodes",))  # First: its position is before that of the rows, so that no change is missed.
    found = selectors.work_log(**form.filters(), page=number, sees_commands=sees_commands)
    mark_unreachable(found["results"], data["nodes"])
    asked = {name: request.GET.get(name, "") for name in form.fields}
    context = {
        "heading": _("Work log"),
        "attempts": found["results"],
        "filters": asked,
        "is_filtered": any(asked.values()),
        "form_errors": [f"{form.fields[name].label or name}: {errors[0]}" for name, errors in form.errors.items()],
        "pager": pager(request, number=number, has_more=found["hasMore"]),
    }
    if request.htmx:  # type: ignore[attr-defined]  # The middleware sets it.
        return render_fragment(request, "pages/_work_log.html", context)
    projects = {project["name"] for node in data["nodes"] for project in node["capabilities"].get("projects", ())}
    context.update(nodes=data["nodes"], projects=sorted(projects), task_states=labels.TASK_STATES)
    return render_page(
        request, "pages/work_log.html", context, section="work-log", topics=("nodes", "tasks", "alerts"), data=data
    )
