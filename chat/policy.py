"""May this tool call run, or must a person decide? Pure, and the only place that says so.

The model is not trusted to judge this: it may have been fooled by what it read. So an action runs unasked only when
the person's own sentence, read by rules, asks for exactly this action on exactly this task, and nothing hostile can
have come in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chat.states import Trigger


class Risk(StrEnum):
    READ = "read"
    MEMORY = "memory"  # Changes what AgentFlow remembers, and nothing in the fleet; it can be reverted.
    MUTATING = "mutating"  # One task, and it can be undone or is harmless.
    DESTRUCTIVE = "destructive"  # Ends something, starts something, or touches several.


class Decision(StrEnum):
    RUN = "run"
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a sentence asks for without any doubt: one action on one task."""

    action: str
    task_id: str
    text: str = ""  # The words themselves: input for a task must stand in them.


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Everything the decision depends on."""

    risk: Risk
    trigger: Trigger
    action: str  # Of a task: nodes.domain.states.Action; else empty.
    task_ids: tuple[str, ...]
    input: str  # For "input": what is to be written.
    wish: Wish | None  # Of this turn's words.
    is_sure: bool  # The engine did not guess.
    has_read_untrusted: bool  # This turn.
    asker_may: bool  # The person who asked has the right that the action needs.


def decide(question: Question) -> Decision:
    if question.risk is Risk.READ:
        return Decision.RUN
    wish = question.wish
    is_wished = (
        wish is not None
        and wish.action == question.action
        and question.task_ids == (wish.task_id,)
        and (question.action != "input" or (bool(question.input.strip()) and question.input.strip() in wish.text))
    )
    runs = (
        question.risk is Risk.MUTATING
        and question.trigger is Trigger.PERSON
        and is_wished
        and question.is_sure
        and not question.has_read_untrusted
        and question.asker_may
    )
    return Decision.RUN if runs else Decision.ASK
