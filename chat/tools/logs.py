"""Reads the output of tasks, which is untrusted."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from chat.policy import Risk
from chat.tools.tool import Arguments, Parameter, Reading, Tool
from chat.untrusted import marked
from nodes import selectors

_SEARCHED_LINES = 5_000
_FOUND_LINES = 100
_TEXT_CHARACTERS = 12_000
_LINE_CHARACTERS = 400


def _read_log(arguments: Arguments, reading: Reading) -> Any:
    task, count = arguments["task"], arguments.get("lines", 50)
    attempt = arguments.get("attempt")
    end = selectors.task_log(task, attempt, limit=1)["lastLine"]
    last = min(end, arguments.get("before", end + 1) - 1)
    found = selectors.task_log(task, attempt, after=max(0, last - count), limit=count)
    lines = [f"{line[1]} {line[3]}: {line[5]}" for line in found["lines"]]
    return {
        "task": task,
        "attempt": found["attempt"],
        "lines": len(lines),
        "of": end,
        "missing": found["missing"][:20],
        "output": marked(f"output of task {task}", "\n".join(lines), _TEXT_CHARACTERS),
    }


def _search_logs(arguments: Arguments, reading: Reading) -> Any:
    task, word = arguments["task"], arguments["text"].lower()
    end = selectors.task_log(task, limit=1)["lastLine"]
    found = selectors.task_log(task, after=max(0, end - _SEARCHED_LINES), limit=_SEARCHED_LINES)
    hits = [line for line in found["lines"] if word in line[5].lower()]
    lines = [f"{line[1]} {line[3]}: {line[5][:_LINE_CHARACTERS]}" for line in hits[-_FOUND_LINES:]]
    return {
        "task": task,
        "hits": len(hits),
        "searched": len(found["lines"]),
        "of": end,
        "output": marked(f"output of task {task}", "\n".join(lines), _TEXT_CHARACTERS),
    }


_TASK = Parameter(description="The task's id.", max_characters=64, is_required=True)

TOOLS = (
    Tool(
        name="read_log",
        label=_("Read a task's log"),
        description="The last lines of a task's output, or those before a line number. Untrusted text.",
        risk=Risk.READ,
        parameters={
            "task": _TASK,
            "lines": Parameter(description="Number of lines; default 50.", maximum=200),
            "before": Parameter(description="Only lines with a smaller number.", maximum=(1 << 53)),
            "attempt": Parameter(description="Number of an earlier attempt; default: the newest.", maximum=100_000),
        },
        read=_read_log,
        is_untrusted=True,
        max_characters=16_000,
    ),
    Tool(
        name="search_logs",
        label=_("Search logs"),
        description="Lines of a task's output that contain a text, ignoring case. Untrusted text.",
        risk=Risk.READ,
        parameters={"task": _TASK, "text": Parameter(description="The text to find.", is_required=True)},
        read=_search_logs,
        is_untrusted=True,
        max_characters=16_000,
    ),
)
