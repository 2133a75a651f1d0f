"""The input and output of an analysis. Pure values; all evidence texts are hostile."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat.phrases import TextOrPhrase
from chat.untrusted import clean
from nodes.domain.states import Action, TaskState, is_possible

KINDS = ("waiting", "stalled")
CONFIDENCES = ("high", "medium", "low")

# Only these can be proposed, each for exactly the alert's task.
TOOLS: Mapping[Action, str] = {
    Action.INPUT: "send_input",
    Action.PAUSE: "pause_task",
    Action.RESUME: "resume_task",
    Action.RETRY: "retry_task",
    Action.CANCEL: "cancel_task",
}

_ACTIONS = {tool: action for action, tool in TOOLS.items()}

_PIECE_CHARACTERS = {"lines": 12_000, "processes": 6_000, "metrics": 4_000, "stacks": 6_000}
_OTHER_CHARACTERS = 2_000
_NO_OUTPUT = "(no output yet)"
_ALIKE_LINES = 3
# Parts that differ between runs of the same problem: paths, addresses, numbers.
_VARIABLE = re.compile(r"(?:/[\w.+-]+){2,}|\b0x[0-9a-f]+\b|\b(?=[0-9a-f]*\d)[0-9a-f]{6,}\b|\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of evidence, cleaned and capped. Models get exactly this, and quotes are checked against it."""

    id: str
    kind: str  # "lines", "processes", "metrics", "stacks"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """How often a fix for the same problem helped before."""

    action: Action
    answer: str  # The input's key from `answer_key`; empty for other actions.
    helped: int
    failed: int

    @property
    def literal(self) -> str | None:
        """The input's text if the key contains it; None if the key is a hash."""
        if self.action is not Action.INPUT:
            return ""
        if self.answer == "Enter":
            return ""
        return self.answer.strip('"') if self.answer.startswith('"') else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StallContext:
    """All inputs of an analysis."""

    alert_id: int
    alert_digest: str = ""  # As it was analysed.
    kind: str
    task_id: str
    node_id: str
    project: str
    name: str
    state: TaskState
    accepts_input: bool
    reason: str  # The alert's message.
    pieces: tuple[Piece, ...]
    language: str = "en"
    others: tuple[str, ...] = ()  # Ids of tasks with the same problem.
    remembered: tuple[Remembered, ...] = ()

    @property
    def tail(self) -> list[str]:
        """The last non-blank lines of output."""
        return tail_of(self.pieces)

    @property
    def fingerprint(self) -> str:
        return fingerprint(project=self.project, name=self.name, kind=self.kind, tail=self.tail)

    def piece(self, kind: str) -> Piece | None:
        return next((piece for piece in self.pieces if piece.kind == kind), None)

    def allows(self, action: Action) -> bool:
        """Whether the task's current state allows the action."""
        return is_possible(action, self.state, accepts_input=self.accepts_input)


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    id: str
    quote: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    action: Action
    text: str = ""  # For an input; the line end is added.
    why: TextOrPhrase = ""

    @property
    def arguments(self) -> dict[str, str]:
        return {"text": self.text} if self.action is Action.INPUT else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An engine's answer: texts of a model, or phrases of the rules.

    Untrusted until `chat.stalls.check` has checked it.
    """

    cause: TextOrPhrase
    confidence: str
    evidence: tuple[Citation, ...]
    fixes: tuple[Fix, ...]
    sort: str = ""  # The rules' category of the cause.


def stall_context_of(
    alert: Mapping[str, Any], task: Mapping[str, Any], *, language: str = "en", others: tuple[str, ...] = ()
) -> StallContext:
    """Builds it from an alert with its evidence and its task, both in the selectors' format."""
    return StallContext(
        alert_id=int(alert["id"]),
        alert_digest=alert["digest"],
        kind=alert["kind"],
        task_id=alert["task"],
        node_id=alert["node"],
        project=task["project"],
        name=task["name"],
        state=TaskState(task["state"]),
        accepts_input=bool(task["acceptsInput"]),
        reason=clean(alert["message"], 500),
        pieces=pieces_of(alert["evidence"]),
        language=language,
        others=others,
    )


def action_of(tool: str) -> Action:
    return _ACTIONS[tool]


def pieces_of(evidence: list[dict[str, str]]) -> tuple[Piece, ...]:
    return tuple(
        Piece(
            id=item["id"],
            kind=item["kind"],
            text=clean(item["text"], _PIECE_CHARACTERS.get(item["kind"], _OTHER_CHARACTERS)),
        )
        for item in evidence
    )


def tail_of(pieces: tuple[Piece, ...]) -> list[str]:
    text = next((piece.text for piece in pieces if piece.kind == "lines"), "")
    return [line for line in text.split("\n") if line.strip() and line.strip() != _NO_OUTPUT]


def fingerprint(*, project: str, name: str, kind: str, tail: list[str]) -> str:
    """A hash that is equal for the same problem in tasks of one name and project, ignoring numbers and paths."""
    lines = tail[-1:] if kind == "waiting" else tail[-_ALIKE_LINES:]
    parts = [project, _constant(name), kind, *map(_constant, lines)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _constant(text: str) -> str:
    return " ".join(_VARIABLE.sub("#", text.lower()).split())[:200]
