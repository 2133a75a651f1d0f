"""Decides whether a tool call may run or a person must approve it. Pure; the only place that decides this.

The model is not trusted with this decision, because what it read may have manipulated it. An action runs without
approval only if the person's own sentence, read by rules, asks for exactly this action on exactly this task, and no
untrusted text was read in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chat.states import Trigger


class Risk(StrEnum):
    READ = "read"
    MEMORY = "memory"  # Changes AgentFlow's memory but nothing in the fleet; it can be reverted.
    MUTATING = "mutating"  # Affects one task, and can be undone or is harmless.
    DESTRUCTIVE = "destructive"  # Ends or starts something, or affects several tasks.


class Decision(StrEnum):
    RUN = "run"
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a sentence asks for beyond doubt: one action on one task."""

    action: str
    task_id: str
    text: str = ""  # The person's text: input for a task must occur in it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Everything that the decision depends on."""

    risk: Risk
    trigger: Trigger
    action: str  # For a task, a nodes.domain.states.Action; else empty.
    task_ids: tuple[str, ...]
    input: str  # For "input": the text to send.
    wish: Wish | None  # What this turn's text asks for.
    is_sure: bool  # The engine did not guess.
    has_read_untrusted: bool  # In this turn.
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
