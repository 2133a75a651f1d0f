"""Reads past attempts and their outcomes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from chat.policy import Risk
from chat.tools.tool import Arguments, Parameter, Reading, Tool
from nodes import selectors
from nodes.domain.states import TaskState

_FIELDS = ("task", "attempt", "name", "project", "node", "state", "exitCode", "createdBy", "startedAt", "endedAt")


def _query_history(arguments: Arguments, reading: Reading) -> Any:
    filters = dict(reading.context.filters)
    filters.update({name: arguments[name] for name in ("node", "project") if name in arguments})
    since = datetime.now(UTC) - timedelta(hours=arguments["hours"]) if "hours" in arguments else None
    found = selectors.work_log(
        state=arguments.get("state", ""), since=since, limit=arguments.get("limit", 30), **filters
    )
    rows = [{name: row[name] for name in _FIELDS} for row in found["results"]]
    return {"attempts": rows, "hasMore": found["hasMore"], "filters": filters}


TOOLS = (
    Tool(
        name="query_history",
        label=_("Read the work log"),
        description="Attempts of tasks, newest first, in the conversation's context unless node or project is given.",
        risk=Risk.READ,
        parameters={
            "node": Parameter(description="The node's id.", max_characters=64),
            "project": Parameter(description="The project's name."),
            "state": Parameter(description="How they ended.", choices=tuple(str(state) for state in TaskState)),
            "hours": Parameter(description="How many hours to look back.", maximum=24 * 366),
            "limit": Parameter(description="Maximum number of attempts; default 30.", maximum=100),
        },
        read=_query_history,
    ),
)
