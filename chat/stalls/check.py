"""Validates an analysis before it is stored: its quotes must exist, its fixes must be possible.

Pure. An engine's answer is not trusted: the output that the model read may have manipulated it.
"""

from __future__ import annotations

from typing import Any

from chat.phrases import TextOrPhrase
from chat.stalls.fix_history import remembered_for
from chat.stalls.prompts import asks_secret, read_prompt
from chat.stalls.stall_context import CONFIDENCES, TOOLS, Citation, Finding, Fix, StallContext
from chat.tools.registry import TOOLS as REGISTRY
from chat.tools.tool import BadArguments
from chat.untrusted import clean
from nodes.domain.states import Action

CAUSE_CHARACTERS = 400
WHY_CHARACTERS = 200
QUOTE_CHARACTERS = 200
INPUT_CHARACTERS = 200
MOST_FIXES = 3
MOST_CITATIONS = 4


class InvalidAnalysis(Exception):
    """The answer does not contain a usable analysis."""


def finding_of(answer: Any) -> Finding:
    """Parses decoded JSON. Omits malformed citations and fixes. Raises `InvalidAnalysis`."""
    if not isinstance(answer, dict) or not isinstance(answer.get("cause"), str) or not answer["cause"].strip():
        raise InvalidAnalysis("it names no cause")
    evidence, fixes = answer.get("evidence"), answer.get("fixes")
    if not isinstance(evidence, list) or not isinstance(fixes, list):
        raise InvalidAnalysis("evidence and fixes must be lists")
    return Finding(
        cause=answer["cause"],
        confidence=str(answer.get("confidence")),
        evidence=tuple(
            Citation(id=item["id"], quote=_text(item.get("quote")))
            for item in evidence
            if isinstance(item, dict) and isinstance(item.get("id"), str)
        ),
        fixes=tuple(
            Fix(action=Action(item["action"]), text=_text(item.get("text")), why=_text(item.get("why")))
            for item in fixes
            if isinstance(item, dict) and _text(item.get("action")) in set(Action)
        ),
    )


def checked(stall: StallContext, finding: Finding) -> Finding:
    """The finding with only real quotes and possible fixes."""
    evidence = _real_citations(stall, finding.evidence)
    confidence = finding.confidence if finding.confidence in CONFIDENCES else "low"
    fixes: list[Fix] = []
    for fix in finding.fixes:
        good = _possible(stall, fix)
        is_new = good is not None and all((kept.action, kept.text) != (good.action, good.text) for kept in fixes)
        if good is not None and is_new and len(fixes) < MOST_FIXES:
            fixes.append(good)
    return Finding(
        cause=_cleaned(finding.cause, CAUSE_CHARACTERS),
        confidence=confidence if evidence else "low",
        evidence=evidence,
        fixes=_default_first(stall, fixes),
        sort=finding.sort,
    )


def _default_first(stall: StallContext, fixes: list[Fix]) -> tuple[Fix, ...]:
    """Puts the prompt's default answer, as in `[y/N]`, before other answers."""
    defaults = {offered.text for offered in read_prompt(stall.tail).offers if offered.is_default}
    if defaults:
        defaults.add("")  # Enter alone selects the default.
    places = [place for place, fix in enumerate(fixes) if fix.action is Action.INPUT]
    answers = sorted((fixes[place] for place in places), key=lambda fix: not _is_good(stall, fix, defaults))
    for place, fix in zip(places, answers, strict=True):
        fixes[place] = fix
    return tuple(fixes)


def _is_good(stall: StallContext, fix: Fix, defaults: set[str]) -> bool:
    """Whether the answer is a default that has not failed more often than helped."""
    past = remembered_for(stall.remembered, fix)
    return fix.text.lower() in defaults and (past is None or past.helped >= past.failed)


def _real_citations(stall: StallContext, citations: tuple[Citation, ...]) -> tuple[Citation, ...]:
    """Citations whose quote occurs in the named piece; made-up quotes are dropped."""
    pieces = {piece.id: piece for piece in stall.pieces}
    kept: list[Citation] = []
    for citation in citations:
        piece = pieces.get(citation.id)
        quote = clean(citation.quote, 4 * QUOTE_CHARACTERS).strip()[:QUOTE_CHARACTERS].strip()
        is_real = piece is not None and _flat(quote) in _flat(piece.text)
        if is_real and all(other.id != citation.id or other.quote != quote for other in kept):
            kept.append(Citation(id=citation.id, quote=quote))
    return tuple(kept[:MOST_CITATIONS])


def _possible(stall: StallContext, fix: Fix) -> Fix | None:
    """The fix as it may be proposed; None if it is impossible or not allowed for this task."""
    if not stall.allows(fix.action):
        return None
    if fix.action is Action.INPUT:
        text = fix.text.removesuffix("\n")
        # A single line of visible characters, so that the person approves exactly what is sent.
        if len(text) > INPUT_CHARACTERS or "\n" in text or "\t" in text or clean(text, INPUT_CHARACTERS) != text:
            return None
        if asks_secret(stall.tail):
            return None
        fix = Fix(action=fix.action, text=text, why=fix.why)
    else:
        fix = Fix(action=fix.action, why=fix.why)
    try:
        REGISTRY[TOOLS[fix.action]].check({"task": stall.task_id, **fix.arguments})
    except BadArguments:
        return None
    return Fix(action=fix.action, text=fix.text, why=_cleaned(fix.why, WHY_CHARACTERS))


def _cleaned(text: TextOrPhrase, limit: int) -> TextOrPhrase:
    """Phrases are AgentFlow's own and need no cleaning."""
    return " ".join(clean(text, limit).split()) if isinstance(text, str) else text


def _flat(text: str) -> str:
    return " ".join(text.split())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
