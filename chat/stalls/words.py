"""An analysis in words, in the language that is active. Engines give causes and reasons; the rest is AgentFlow's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.stalls.case import TOOLS, Case, Finding, Fix
from chat.tools.registry import TOOLS as REGISTRY
from chat.untrusted import clean, plain
from nodes.domain.states import Action

_OTHERS_SHOWN = 10
_LABEL_CHARACTERS = 80


def opening(alert_id: int, task_id: str, kind: str) -> str:
    """What stands where a person's words do: nothing of the task's own."""
    return f"[alert {alert_id}] task {task_id}: {kind}. Read its evidence: why is that, and what helps?"


def label_of(fix: Fix) -> str:
    if fix.action is Action.INPUT:
        return _("Answer “%(text)s”") % {"text": clean(fix.text, _LABEL_CHARACTERS)} if fix.text else _("Press Enter")
    return _LABELS[fix.action]()


# Called when the language is known.
_LABELS: Mapping[Action, Callable[[], str]] = {
    Action.PAUSE: lambda: _("Pause it"),
    Action.RESUME: lambda: _("Resume it"),
    Action.RETRY: lambda: _("Try it again"),
    Action.CANCEL: lambda: _("Cancel it"),
}


def fix_fields(case: Case, number: int, fix: Fix) -> dict[str, Any]:
    """As it is stored and told."""
    tool = TOOLS[fix.action]
    return {
        "number": number,
        "label": label_of(fix),
        "why": fix.why,
        "tool": tool,
        "arguments": {"task": case.task_id, **fix.arguments},
        "risk": str(REGISTRY[tool].risk),
        "state": "open",
        "turn": "",
    }


def message_of(case: Case, finding: Finding, *, engine: str) -> str:
    """The turn's answer. Without quotes: it is told to models later, and what a task printed travels only marked."""
    named = {"task": plain(clean(case.name, _LABEL_CHARACTERS)), "id": plain(case.task_id), "node": plain(case.node_id)}
    named["cause"] = plain(finding.cause)
    lines = [_("**%(task)s** (%(id)s) on %(node)s: %(cause)s") % named]
    if case.others:
        shown = ", ".join(case.others[:_OTHERS_SHOWN]) + (" …" if len(case.others) > _OTHERS_SHOWN else "")
        count = len(case.others)
        words = ngettext(
            "The same holds for %(count)d other task: %(ids)s",
            "The same holds for %(count)d other tasks: %(ids)s",
            count,
        )
        lines += ["", words % {"count": count, "ids": plain(shown)}]
    if finding.fixes:
        lines += ["", _("What may help; somebody must approve it:")]
        lines += [f"{number}. {_proposal(fix)}" for number, fix in enumerate(finding.fixes, 1)]
    if finding.evidence:
        cited = dict.fromkeys(citation.id.replace("`", "'") for citation in finding.evidence)
        ids = ", ".join(f"`{one}`" for one in cited)
        lines += ["", _("Evidence: %(ids)s") % {"ids": ids}]
    if engine == "offline":
        lines += ["", _("(by rules, without a model)")]
    return "\n".join(lines)


def _proposal(fix: Fix) -> str:
    why = f": {plain(fix.why)}" if fix.why else ""
    return f"{plain(label_of(fix))}{why}"
