"""All tools, in a constant order: a model's thinking depends on the list that it was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chat.tools import alerts, control, fleet, history, logs, memory, run
from chat.tools.tool import Tool

TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in sorted(
        [*alerts.TOOLS, *fleet.TOOLS, *logs.TOOLS, *history.TOOLS, *control.TOOLS, *memory.TOOLS, *run.TOOLS],
        key=lambda tool: tool.name,
    )
}


def schemas() -> list[dict[str, Any]]:
    return [tool.schema() for tool in TOOLS.values()]
