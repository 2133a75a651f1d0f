"""The site's sections, for the sidebar, the command palette, the shortcut list and the URLs.

Pages below a section (one task, one memory file) are only in `dashboard.urls`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpResponseBase
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from dashboard.pages import history, logs, memory, nodes, overview, tasks
from dashboard.rights import Right, right_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    # Its URL name; pages pass it to `render_page` as their section.
    name: str
    path: str
    view: Callable[..., HttpResponseBase]
    label: str | Promise
    icon: str
    # The key after "g".
    key: str

    @property
    def url(self) -> str:
        return reverse(f"dashboard:{self.name}")

    @property
    def right(self) -> Right:
        """The right that its view requires; without it the section is not listed."""
        return right_of(self.view)


SECTIONS = (
    Section(name="overview", path="", view=overview.overview, label=_("Overview"), icon="layout-dashboard", key="o"),
    Section(name="task-list", path="tasks/", view=tasks.task_list, label=_("Tasks"), icon="list-todo", key="t"),
    Section(name="node-list", path="nodes/", view=nodes.node_list, label=_("Nodes"), icon="server", key="n"),
    Section(name="logs", path="logs/", view=logs.logs, label=_("Logs"), icon="scroll-text", key="l"),
    Section(name="work-log", path="history/", view=history.work_log, label=_("Work log"), icon="history", key="w"),
    Section(
        name="memory",
        path="memory/",
        view=memory.memory_list,
        label=pgettext_lazy("agent", "Memory"),
        icon="database",
        key="m",
    ),
)
