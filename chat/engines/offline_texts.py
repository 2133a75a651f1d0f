"""The offline engine's answers, in the active language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.engines.outcomes import outcome_of
from chat.interpret import Outcome, Reading
from chat.phrases import phrase, render
from chat.untrusted import plain as _plain
from nodes.state_labels import TASK_HEALTH

_ROWS = 20

Result = Mapping[str, Any]


def help_text() -> str:
    return _(
        "I work without a language model, by rules. You can ask me for nodes, tasks, logs, history and what is stuck, "
        "and tell me to pause, resume, retry or cancel a task: “pause the build on master-1”."
    )


def of_reading(found: Reading) -> str:
    """The answer when nothing was done, with the reason."""
    if found.outcome is Outcome.REFUSE:
        return _("OK, I did nothing.")
    if found.outcome is Outcome.ASK:
        return _("I am not sure what you mean, so I have done nothing. Name one action and one task, by name or id.")
    if found.intent == "submit":
        return _("I cannot start new tasks without a model. Use the New task form on the Tasks page.")
    return help_text()


def of_result(tool: str, result: Any, is_ok: bool) -> str:
    if not is_ok:
        return render(outcome_of(result, is_ok=False), escape=_plain)
    words = _WORDS.get(tool)
    if words is None:
        return _state(result)
    return words(result)


def of_memory(lines: list[str]) -> str:
    if not lines:
        return _("I do not remember anything here yet. Say “remember that …”.")
    return "\n".join([_("I remember:"), "", *(f"- {_plain(line)}" for line in lines)])


def _remembered(result: Any) -> str:
    return _("I have changed my memory. The Memory page shows the change, and you can revert it there.")


def _state(result: Any) -> str:
    if isinstance(result, dict) and "results" in result:
        return "\n".join(f"- {_state(one)}" for one in result["results"])
    return render(outcome_of(result, is_ok=True), escape=_plain)


def _named(task: Result) -> dict[str, str]:
    return {
        "task": f"“{_plain(task['name'])}” ({task['id']}, {task['node'] or '–'})",
        "state": _state_of(task),
    }


def _state_of(row: Result) -> str:
    return render(phrase(f"task.{row['state']}"))


def _nodes(result: Result) -> str:
    rows = [
        f"- **{_plain(node['id'])}**: {render(phrase('node.' + node['state']))}"
        + (f", CPU {node['cpu']:.0f} %" if node["cpu"] is not None else "")
        + f", {node['running']}/{node['slots']}"
        for node in result["nodes"][:_ROWS]
    ]
    return "\n".join(rows) or _("There are no nodes.")


def _tasks(result: Result) -> str:
    rows = [
        f"- **{_plain(task['name'])}** ({task['id']}, {task['node'] or '–'}): {_state_of(task)}"
        + (f", {render(phrase('health.' + task['health']))}" if task["health"] in TASK_HEALTH else "")
        + (f", {task['progress'] * 100:.0f} %" if task["progress"] is not None else "")
        for task in result["tasks"][:_ROWS]
    ]
    return "\n".join(rows) or _("There are no such tasks.")


def _history(result: Result) -> str:
    rows = [
        f"- **{_plain(row['name'])}** #{row['attempt']} ({row['task']}, {row['node'] or '–'}): {_state_of(row)}"
        for row in result["attempts"][:_ROWS]
    ]
    return "\n".join(rows) or _("Nothing has run there.")


def _log(result: Result) -> str:
    count = ngettext("The last %(count)d line:", "The last %(count)d lines:", result["lines"]) % {
        "count": result["lines"]
    }
    text = result["output"]["text"]
    fence = "~" * 3
    while fence in text:
        fence += "~"
    return f"{count}\n\n{fence}\n{text}\n{fence}"


def _task(result: Result) -> str:
    words = _("%(task)s is %(state)s.") % _named(result)
    if result["progress"] is not None:
        words += f" {result['progress'] * 100:.0f} %"
    return words


_WORDS: Mapping[str, Callable[[Result], str]] = {
    "list_nodes": _nodes,
    "list_tasks": _tasks,
    "query_history": _history,
    "read_log": _log,
    "inspect_task": _task,
    "memory": _remembered,
}
