"""The result of parsing a sentence, and the context of the sentence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    EXECUTE = "execute"  # Certain; always the case for reads.
    CONFIRM = "confirm"  # Clear enough to propose, with its targets.
    ASK = "ask"  # Something is missing, unclear or impossible; `why` says what.
    REFUSE = "refuse"  # The person asked not to do it.
    HELP = "help"  # Not understood.


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A proposal that waits for a yes or no."""

    intent: str
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """`focus_node`: the node that the conversation is about. `last_task`: what "it" means."""

    focus_node: str = ""
    last_task: str = ""
    pending: Pending | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`intent`: pause, resume, cancel, retry, submit; logs, status, tasks, nodes, stalls, history; empty = none.

    `tasks`: ids, in the world's order. `why`: the reason in English, for logs and for `manage.py interpret`.
    """

    outcome: Outcome
    intent: str = ""
    tasks: tuple[str, ...] = ()
    why: str = ""
