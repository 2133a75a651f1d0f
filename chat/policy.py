"""Decides whether a tool call may run or needs an approval. Pure; no other code decides this.

The model does not decide, because text that it has read may have manipulated it. An action runs without approval only
if the person's own sentence, parsed by rules, asks for exactly this action on exactly this task, and no untrusted text
was read in between.
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
class RequestedAction:
    """What a sentence certainly asks for: one action on one task."""

    action: str
    task_id: str
    text: str = ""  # The person's message: input for a task must occur in it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Everything that the decision depends on."""

    risk: Risk
    trigger: Trigger
    action: str  # For a task, a nodes.domain.states.Action; else empty.
    task_ids: tuple[str, ...]
    input: str  # For "input": the text to send.
    requested: RequestedAction | None  # By this turn's message.
    is_sure: bool  # False: the engine guessed.
    has_read_untrusted: bool  # In this turn.
    asker_may: bool  # The person who asked has the right that the action needs.


def decide(question: Question) -> Decision:
    if question.risk is Risk.READ:
        return Decision.RUN
    requested = question.requested
    is_requested = (
        requested is not None
        and requested.action == question.action
        and question.task_ids == (requested.task_id,)
        and (question.action != "input" or (bool(question.input.strip()) and question.input.strip() in requested.text))
    )
    runs = (
        question.risk is Risk.MUTATING
        and question.trigger is Trigger.PERSON
        and is_requested
        and question.is_sure
        and not question.has_read_untrusted
        and question.asker_may
    )
    return Decision.RUN if runs else Decision.ASK
