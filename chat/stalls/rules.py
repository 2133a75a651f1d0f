"""Why a task does not get on, read from its evidence by rules. Pure; the evidence is hostile text and only quoted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext_noop

_TAIL_LINES = 12
_QUOTED_CHARACTERS = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    cause: str  # An English msgid.
    evidence_ids: tuple[str, ...]  # Only ids that the alert has.
    quote: str  # The line that says it; empty when none does.
    answer: str = ""  # To a question of the task, for a person to approve.


# In this order: what ends a task's hopes before what may pass.
_CAUSES: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"no space left on device|disk quota exceeded", re.I), gettext_noop("The disk is full.")),
    (re.compile(r"out of memory|oom-kill|cannot allocate memory", re.I), gettext_noop("Memory has run out.")),
    (
        re.compile(
            r"could not get lock|waiting for .{0,40}lock|resource temporarily unavailable|database is locked", re.I
        ),
        gettext_noop("It waits for a lock that something else holds."),
    ),
    (
        re.compile(
            r"temporary failure in name resolution|could not resolve|connection (?:timed out|refused)|unreachable", re.I
        ),
        gettext_noop("The network or a name server does not answer."),
    ),
)
_SECRET = re.compile(r"pass(?:word|phrase)|密码|口令", re.I)
_YES_NO = re.compile(r"[\[(]\s*(y(?:es)?)\s*/\s*no?\s*[\])]", re.I)


_ASKED = re.compile(r"\[alert (\d{1,15})\] ")


def opening(alert_id: str, task_id: str, kind: str) -> str:
    """What stands where a person's words do: nothing of the task's own."""
    return f"[alert {alert_id}] task {task_id}: {kind}. Read its evidence: why is that, and what helps?"


def alert_id_of(text: str) -> int | None:
    found = _ASKED.match(text)
    return int(found[1]) if found else None


def analyse(kind: str, evidence: Sequence[Mapping[str, str]]) -> Analysis:
    lines = next((item for item in evidence if item["kind"] == "lines"), None)
    tail = [line for line in lines["text"].split("\n") if line.strip()][-_TAIL_LINES:] if lines else []
    cited = (lines["id"],) if lines else ()
    if kind == "waiting":
        return _waiting(tail, cited)
    for pattern, cause in _CAUSES:
        for line in reversed(tail):
            if pattern.search(line):
                return Analysis(cause=cause, evidence_ids=cited, quote=line[:_QUOTED_CHARACTERS])
    others = tuple(item["id"] for item in evidence if item["kind"] in ("processes", "metrics"))
    return Analysis(
        cause=gettext_noop("It neither prints nor computes nor reads or writes, and its output does not say why."),
        evidence_ids=others or cited,
        quote=tail[-1][:_QUOTED_CHARACTERS] if tail else "",
    )


def _waiting(tail: Sequence[str], cited: tuple[str, ...]) -> Analysis:
    prompt = tail[-1][-_QUOTED_CHARACTERS:] if tail else ""
    if _SECRET.search(prompt):
        return Analysis(cause=gettext_noop("It asks for a password."), evidence_ids=cited, quote=prompt)
    found = _YES_NO.search(prompt)
    return Analysis(
        cause=gettext_noop("It waits for input."),
        evidence_ids=cited,
        quote=prompt,
        answer=found[1].lower() if found else "",
    )
