"""The policy, as a table and over every combination: only one way leads to an action without an approval."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from chat.policy import Decision, Question, RequestedAction, Risk, decide
from chat.states import Trigger

REQUESTED = RequestedAction(action="pause", task_id="t1", text="pause t1")
GOOD = Question(
    risk=Risk.MUTATING,
    trigger=Trigger.PERSON,
    action="pause",
    task_ids=("t1",),
    input="",
    requested=REQUESTED,
    is_sure=True,
    has_read_untrusted=False,
    asker_may=True,
)


def test_clearly_requested_actions_run() -> None:
    assert decide(GOOD) is Decision.RUN


@pytest.mark.parametrize(
    "change",
    [
        {"risk": Risk.DESTRUCTIVE},
        {"trigger": Trigger.STALL},
        {"action": "resume"},
        {"task_ids": ("t2",)},
        {"task_ids": ("t1", "t2")},
        {"task_ids": ()},
        {"requested": None},
        {"is_sure": False},
        {"has_read_untrusted": True},
        {"asker_may": False},
    ],
    ids=str,
)
def test_any_other_circumstance_needs_approval(change: dict[str, object]) -> None:
    assert decide(replace(GOOD, **change)) is Decision.ASK  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "sent", "decision"),
    [
        ("send yes to t1", "yes", Decision.RUN),
        ("send yes to t1", "no", Decision.ASK),
        ("send something to t1", "", Decision.ASK),
        ("send something to t1", "  ", Decision.ASK),
    ],
)
def test_input_must_be_in_the_persons_message(said: str, sent: str, decision: Decision) -> None:
    requested = RequestedAction(action="input", task_id="t1", text=said)

    assert decide(replace(GOOD, action="input", input=sent, requested=requested)) is decision


def test_exactly_one_combination_runs_without_approval() -> None:
    combinations = itertools.product(
        (Risk.MUTATING, Risk.DESTRUCTIVE), Trigger, (REQUESTED, None), (True, False), (True, False), (True, False)
    )
    running = [
        combination
        for combination in combinations
        if decide(
            replace(
                GOOD,
                **dict(
                    zip(
                        ("risk", "trigger", "requested", "is_sure", "has_read_untrusted", "asker_may"),
                        combination,
                        strict=True,
                    )
                ),
            )
        )
        is Decision.RUN
    ]

    assert running == [(Risk.MUTATING, Trigger.PERSON, REQUESTED, True, False, True)]


def test_reading_always_runs() -> None:
    assert decide(replace(GOOD, risk=Risk.READ, requested=None, has_read_untrusted=True)) is Decision.RUN
