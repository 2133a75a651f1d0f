"""What comes out of a sentence, and what it was said into."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    EXECUTE = "execute"  # Beyond doubt; reading always is.
    CONFIRM = "confirm"  # Plain enough to be proposed to a person, with its targets.
    ASK = "ask"  # Something is missing, doubtful or not possible: `why` says what.
    REFUSE = "refuse"  # The person said not to.
    HELP = "help"  # No order and no question that is understood.


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A proposal that waits for a yes or no."""

    intent: str
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """`focus_node`: the conversation is about this node; `last_task`: what "it" means."""

    focus_node: str = ""
    last_task: str = ""
    pending: Pending | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`intent`: pause, resume, cancel, retry, submit; logs, status, tasks, nodes, stalls, history; empty = none.

    `tasks`: ids, in the world's order. `why`: in English, for the record and for whoever tests a sentence.
    """

    outcome: Outcome
    intent: str = ""
    tasks: tuple[str, ...] = ()
    why: str = ""
