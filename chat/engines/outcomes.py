"""The outcome of an action on a task, or why it was not carried out, from the result of its call. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from chat.phrase_texts import WORDS
from chat.phrases import Phrase, TextOrPhrase, phrase


def outcome_of(result: Any, *, is_ok: bool) -> Phrase:
    """`result`: a tool's result, or the phrase with the reason why the call was not executed."""
    if is_ok:
        return _done(result)
    if not isinstance(result, Mapping) or "key" in result:
        return phrase("outcome.not-done", reason=cast(TextOrPhrase, result))
    if task := result.get("task"):
        return phrase("outcome.failed", reason=_reason(result), **_named(task))
    return phrase("outcome.not-done", reason=_reason(result))


def _done(result: Any) -> Phrase:
    if isinstance(result, dict) and (task := result.get("task")):
        key = "outcome.unchanged" if result.get("changed") is False else "outcome.is-now"
        return phrase(key, **_named(task))
    return phrase("outcome.done")


def _reason(result: Mapping[str, Any]) -> TextOrPhrase:
    """From the refusal's code or the command's final state, else the given message."""
    for key in (f"reason.{result.get('code')}", f"command.{result.get('command')}"):
        if key in WORDS:
            return phrase(key)
    return str(result.get("error") or result.get("command") or "")


def _named(task: Mapping[str, Any]) -> dict[str, Phrase]:
    named = phrase("act.task", name=task["name"], id=task["id"], node=task["node"] or "–")
    return {"task": named, "state": phrase(f"task.{task['state']}")}
