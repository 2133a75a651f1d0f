"""The texts of an analysis, as phrases. Engines provide causes and reasons."""

from __future__ import annotations

from typing import Any

from chat.phrases import Phrase, phrase, render, with_phrase
from chat.stalls.stall_context import TOOLS, Finding, Fix, StallContext
from chat.tools.registry import TOOLS as REGISTRY
from chat.untrusted import clean
from nodes.domain.states import Action

_OTHERS_SHOWN = 10
_LABEL_CHARACTERS = 80


def opening(alert_id: int, task_id: str, kind: str) -> Phrase:
    """The automatic turn's message; contains no text of the task."""
    return phrase("turn.stall", alert=str(alert_id), task=task_id, state=phrase(f"health.{kind}"))


def label_of(fix: Fix) -> Phrase:
    if fix.action is not Action.INPUT:
        return phrase(f"fix.{fix.action}")
    return phrase("fix.input", text=clean(fix.text, _LABEL_CHARACTERS)) if fix.text else phrase("fix.enter")


def fix_fields(stall: StallContext, number: int, fix: Fix) -> dict[str, Any]:
    """The fix as it is stored and published."""
    tool, label = TOOLS[fix.action], label_of(fix)
    return {
        "number": number,
        "label": render(label, stall.language),
        "why": render(fix.why, stall.language),
        "phrases": with_phrase({"label": label}, "why", fix.why),
        "tool": tool,
        "arguments": {"task": stall.task_id, **fix.arguments},
        "risk": str(REGISTRY[tool].risk),
        "state": "open",
        "turn": "",
    }


def message_of(stall: StallContext, finding: Finding, *, engine: str) -> Phrase:
    """The turn's answer, in Markdown. Without quotes: it is sent to models later, and task output may be sent only when
    marked as untrusted.
    """
    name = clean(stall.name, _LABEL_CHARACTERS)
    lines: list[Phrase | str] = [
        phrase("answer.cause", task=name, id=stall.task_id, node=stall.node_id, cause=finding.cause)
    ]
    if stall.others:
        shown = [*stall.others[:_OTHERS_SHOWN], *(["…"] if len(stall.others) > _OTHERS_SHOWN else [])]
        lines += ["", phrase("answer.others", count=len(stall.others), ids=shown)]
    if finding.fixes:
        lines += ["", phrase("answer.fixes")]
        lines += [_proposal(number, fix) for number, fix in enumerate(finding.fixes, 1)]
    if finding.evidence:
        ids = list(dict.fromkeys(citation.id for citation in finding.evidence))
        lines += ["", phrase("answer.evidence", ids=ids)]
    if engine == "offline":
        lines += ["", phrase("answer.by-rules")]
    return phrase("lines", parts=lines)


def _proposal(number: int, fix: Fix) -> Phrase:
    label = label_of(fix)
    if not fix.why:
        return phrase("answer.fix", number=number, label=label)
    return phrase("answer.fix-why", number=number, label=label, why=fix.why)
