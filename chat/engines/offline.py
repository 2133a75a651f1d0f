"""Answers without a model: parses the sentence by rules, calls the same tools, and describes their results.

It never guesses: an unclear request leads to a question, a nearly clear one to a proposal that a person must approve.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _

from chat.engines import offline_texts
from chat.engines.protocol import Block, Progress, Reply, Request
from chat.interpret import Outcome, Reading
from chat.memory import notes
from chat.memory.sentences import MemorySentence, read_sentence
from chat.understanding import understand
from nodes.database_threads import DatabaseThreads

_ONE_TASK = {
    "pause": "pause_task",
    "resume": "resume_task",
    "retry": "retry_task",
    "cancel": "cancel_task",
    "logs": "read_log",
    "status": "inspect_task",
}
_READS: Mapping[str, str] = {
    "nodes": "list_nodes",
    "tasks": "list_tasks",
    "history": "query_history",
    "stalls": "list_tasks",
    "status": "list_tasks",
}


class OfflineEngine:
    name = "offline"

    def __init__(self, threads: DatabaseThreads) -> None:
        self._threads = threads

    async def reply(self, request: Request, progress: Progress) -> Reply:
        with translation.override(request.language):
            if (answer := answer_to_results(request, progress)) is not None:
                return answer
        if (sentence := read_sentence(request.text)) is not None:
            return await self._memory(request, sentence, progress)
        # On a thread, because it is slow with thousands of tasks.
        found = await self._threads.read(lambda: understand(request.text, request.context, last_task=request.last_task))
        with translation.override(request.language):
            return self._begin(request, found, progress)

    async def aclose(self) -> None:
        pass

    async def _memory(self, request: Request, sentence: MemorySentence, progress: Progress) -> Reply:
        if sentence.kind == "recall":
            lines = await self._threads.read(lambda: notes.recalled(request.context))
            with translation.override(request.language):
                return _answer(offline_texts.of_memory(lines), progress)
        arguments = await self._threads.read(lambda: notes.command_for(sentence, request.context))
        with translation.override(request.language):
            if arguments is None:
                return _answer(_("No memory entry, or more than one, matches this."), progress)
        return use(request, "memory", dict(arguments))

    def _begin(self, request: Request, found: Reading, progress: Progress) -> Reply:
        call = _call(found)
        if found.outcome not in (Outcome.EXECUTE, Outcome.CONFIRM) or call is None:
            return _answer(offline_texts.of_reading(found), progress)
        name, arguments = call
        return use(request, name, arguments, is_sure=found.outcome is Outcome.EXECUTE)


def answer_to_results(request: Request, progress: Progress) -> Reply | None:
    """The answer for the newest message if it contains only tool results, else None. In the active language."""
    results = results_of(request)
    if not results:
        return None
    texts = (offline_texts.of_result(result.tool, result.value, result.is_ok) for result in results)
    return _answer("\n\n".join(texts), progress)


def use(request: Request, name: str, arguments: dict[str, Any], *, is_sure: bool = True) -> Reply:
    """A reply that calls one tool."""
    # The id is unique per place in the conversation, and stable when the same request is repeated.
    seed = json.dumps([len(request.messages), request.text, name, arguments])
    block: Block = {
        "type": "tool_use",
        "id": f"offline_{hashlib.sha256(seed.encode()).hexdigest()[:24]}",
        "name": name,
        "input": arguments,
    }
    return Reply(content=[block], stop_reason="tool_use", model="", is_sure=is_sure)


def _call(found: Reading) -> tuple[str, dict[str, Any]] | None:
    if len(found.tasks) == 1 and found.intent in _ONE_TASK:
        return _ONE_TASK[found.intent], {"task": found.tasks[0]}
    if len(found.tasks) > 1 and found.intent in ("pause", "resume", "retry", "cancel"):
        return "control_tasks", {"action": found.intent, "tasks": list(found.tasks)}
    if found.intent in _READS:
        return _READS[found.intent], {}
    return None


def _answer(text: str, progress: Progress) -> Reply:
    progress.text(text)
    return Reply(content=[{"type": "text", "text": text or _("Done.")}], stop_reason="end_turn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    tool: str
    value: Any  # The tool's result, or why the call was not carried out.
    is_ok: bool


def results_of(request: Request) -> list[Result]:
    """The results in the newest message; empty if it contains anything else."""
    messages = request.messages
    last = messages[-1]["content"]
    if not last or any(block["type"] != "tool_result" for block in last):
        return []
    names = {block["id"]: block["name"] for block in messages[-2]["content"] if block["type"] == "tool_use"}
    found = []
    for block in last:
        value: Any = request.refusals.get(block["tool_use_id"])
        if value is None:
            try:
                value = json.loads(block["content"])
            except ValueError:
                value = block["content"]
        found.append(Result(tool=names.get(block["tool_use_id"], ""), value=value, is_ok=not block["is_error"]))
    return found
