"""The history of fixes: a memory file with one line per problem and fix, in AgentFlow's own wording. Pure.

A line never contains task output: the problem is a fingerprint, and an answer is written out only if it is a short
plain word. Any other answer is a hash, which is enough to recognize it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import date

from chat.stalls.stall_context import Fix, Remembered
from nodes.domain.states import Action

FILE = "stalls.md"
HEADING = "# Stuck tasks: problem, fix, and whether it helped\n"
MOST_LINES = 100

_PLAIN = re.compile(r"[A-Za-z0-9]{1,12}|是|否")
_ENTER = "Enter"
_LINE = re.compile(
    r"- (?P<fingerprint>[0-9a-f]{12}) \((?P<sort>[a-z-]{0,20})\): (?P<action>[a-z]+)"
    r"(?: (?P<answer>\"[^\"]{1,12}\"|Enter|#[0-9a-f]{8}))?"
    r" helped (?P<helped>\d{1,6}), not helped (?P<failed>\d{1,6})(?:, last .*)?"
)


def answer_key(fix: Fix) -> str:
    """The key of an answer in a line; empty for other fixes."""
    if fix.action is not Action.INPUT:
        return ""
    if not fix.text:
        return _ENTER
    if _PLAIN.fullmatch(fix.text):
        return f'"{fix.text}"'
    return "#" + hashlib.sha256(fix.text.encode()).hexdigest()[:8]


def remembered_for(remembered: Iterable[Remembered], fix: Fix) -> Remembered | None:
    key = answer_key(fix)
    return next((past for past in remembered if past.action is fix.action and past.answer == key), None)


def read_lines(content: str, fingerprint: str) -> tuple[Remembered, ...]:
    """The file's lines about this problem. Skips lines that do not parse, because people may edit the file."""
    found = []
    for line in content.split("\n"):
        match = _LINE.fullmatch(line.strip())
        if match is None or match["fingerprint"] != fingerprint or match["action"] not in set(Action):
            continue
        found.append(
            Remembered(
                action=Action(match["action"]),
                answer=match["answer"] or "",
                helped=int(match["helped"]),
                failed=int(match["failed"]),
            )
        )
    return tuple(found)


def with_result(content: str, *, fingerprint: str, sort: str, fix: Fix, has_helped: bool, today: date) -> str:
    """The text with this result added to its line, which moves to the end. Drops the oldest lines if needed."""
    past = remembered_for(read_lines(content, fingerprint), fix)
    helped = (past.helped if past else 0) + has_helped
    failed = (past.failed if past else 0) + (not has_helped)
    key = answer_key(fix)
    named = f"{fix.action} {key}" if key else str(fix.action)
    start = f"- {fingerprint} ({sort}): {named} helped "
    kept = [
        line for line in content.rstrip("\n").split("\n") if line and not _is_same(line, fingerprint, fix.action, key)
    ]
    if not kept:
        kept = [HEADING.rstrip("\n")]
    lines = [*kept, f"{start}{helped}, not helped {failed}, last {today.isoformat()}"]
    if len(lines) > MOST_LINES:
        lines = [lines[0], *lines[-(MOST_LINES - 1) :]]
    return "\n".join(lines) + "\n"


def _is_same(line: str, fingerprint: str, action: Action, key: str) -> bool:
    match = _LINE.fullmatch(line.strip())
    return match is not None and (match["fingerprint"], match["action"], match["answer"] or "") == (
        fingerprint,
        str(action),
        key,
    )
