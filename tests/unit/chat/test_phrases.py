"""AgentFlow's own texts: stored once, rendered for each reader, and none is missing."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from chat.engines.outcomes import outcome_of
from chat.phrase_texts import WORDS
from chat.phrases import Phrase, phrase, render, with_phrase, worded
from chat.stalls.stall_context import Citation, Finding, Fix, StallContext
from chat.stalls.texts import fix_fields, message_of
from chat.untrusted import plain
from nodes.domain.states import Action, TaskState
from nodes.phrases import WORDS as FLEET_WORDS

ANSWER = phrase("fix.input", text="{state} *y*")
FAILED = phrase("verdict.failed", fix=ANSWER, state=phrase("task.failed"))
STALL = StallContext(
    alert_id=7,
    kind="waiting",
    task_id="t1",
    node_id="master-1",
    project="shop",
    name="build_*all*",
    state=TaskState.RUNNING,
    accepts_input=True,
    reason="r",
    pieces=(),
    language="zh-hans",
    others=("t2", "t3"),
)


def test_a_phrase_is_rendered_in_each_language_with_its_values() -> None:
    assert render(FAILED, "en") == "Answer “{state} *y*”: that did not help, the task is failed."
    assert render(FAILED, "zh-hans") == "应答“{state} *y*”：无效，任务失败。"
    assert render(FAILED, "en", escape=plain).startswith("Answer “\\{state\\} \\*y\\*”:")


def test_lists_and_joined_parts() -> None:
    one, two = (phrase("act.task", name=name, id=name, node="m") for name in "ab")

    assert render(phrase("act.pause", task=[one, two]), "en") == "Pause “a” (a, m), “b” (b, m)"
    both = phrase("sentences", parts=[phrase("why.helped", helped=1, all=2), "mine"])
    assert render(both, "en") == "It helped before (1 of 2 times). mine"


def test_an_unknown_key_is_shown_unchanged() -> None:
    assert render(phrase("outcome.is-now", task="x", state=phrase("task.new-here")), "en") == "Done: x is now new-here."
    new = phrase("cause.new-here")
    for cause in (new, phrase("sentences", parts=[phrase("cause.lock"), new])):
        stored = {"cause": "as it was stored", "phrases": {"cause": cause}}
        assert worded(stored, "zh-hans")["cause"] == "as it was stored"


def test_fields_are_rendered_for_the_reader_and_old_texts_stay() -> None:
    fields = {"label": "Answer “{state} *y*”", "why": "因为", "phrases": {"label": ANSWER}}

    assert worded(fields, "zh-hans") == {**fields, "label": "应答“{state} *y*”"}
    assert worded(fields, None) == fields


def test_a_new_text_replaces_the_earlier_phrase() -> None:
    kept = with_phrase({"cause": ANSWER}, "verdictText", FAILED)

    assert kept == {"cause": ANSWER, "verdictText": FAILED}
    assert with_phrase(kept, "verdictText", "") == {"cause": ANSWER}


def test_a_fix_keeps_phrases_for_people_and_text_for_the_model() -> None:
    by_rules = fix_fields(STALL, 1, Fix(action=Action.INPUT, text="y", why=phrase("why.offered")))
    by_model = fix_fields(STALL, 2, Fix(action=Action.CANCEL, why="没救了"))

    assert (by_rules["label"], by_rules["why"]) == ("应答“y”", "这是提示中给出的选项。")
    assert by_rules["phrases"] == {"label": phrase("fix.input", text="y"), "why": phrase("why.offered")}
    assert (by_model["why"], by_model["phrases"]) == ("没救了", {"label": phrase("fix.cancel")})


def test_an_analysis_as_an_answer_in_two_languages() -> None:
    finding = Finding(
        cause=phrase("cause.yes-no"),
        confidence="high",
        evidence=(Citation(id="t1.1-lines"),),
        fixes=(Fix(action=Action.INPUT, text="y", why=phrase("why.offered")), Fix(action=Action.CANCEL)),
    )
    said = message_of(STALL, finding, engine="offline")

    assert render(said, "en", escape=plain).split("\n") == [
        "**build\\_\\*all\\*** (t1) on master-1: It asks a question and waits for yes or no.",
        "",
        "Other tasks with the same problem (2): t2, t3",
        "",
        "Suggested fixes; each needs an approval:",
        "1. Answer “y”: The prompt offers it.",
        "2. Cancel it",
        "",
        "Evidence: t1.1-lines",
        "",
        "(by rules, without a model)",
    ]
    assert "程序提出了一个问题" in render(said, "zh-hans")


@pytest.mark.parametrize(
    ("result", "is_ok", "key"),
    [
        ({"task": {"id": "t1", "name": "n", "node": "m", "state": "paused"}}, True, "outcome.is-now"),
        (
            {"task": {"id": "t1", "name": "n", "node": None, "state": "paused"}, "changed": False},
            True,
            "outcome.unchanged",
        ),
        ({}, True, "outcome.done"),
        (
            {"task": {"id": "t1", "name": "n", "node": "m", "state": "failed"}, "code": "finished"},
            False,
            "outcome.failed",
        ),
        ({"error": "there is no task"}, False, "outcome.not-done"),
        ("said in words", False, "outcome.not-done"),
        (phrase("refused.expired"), False, "outcome.not-done"),
    ],
)
def test_outcome_of_an_action(result: Any, is_ok: bool, key: str) -> None:
    assert outcome_of(result, is_ok=is_ok)["key"] == key


def test_a_refusal_is_shown_in_the_readers_language() -> None:
    expired = outcome_of(
        {"command": "expired", "task": {"id": "t", "name": "n", "node": "m", "state": "running"}}, is_ok=False
    )

    assert "expired before it ran" in render(expired, "en")
    assert "expired" not in render(expired, "zh-hans")
    assert render(outcome_of(phrase("refused.expired"), is_ok=False), "zh-hans") == "没有执行：未及时审批。"


def test_every_used_phrase_has_a_text_and_every_text_is_used() -> None:
    source = "\n".join(path.read_text() for path in (settings.BASE_DIR / "chat").rglob("*.py"))
    said = set(re.findall(r'phrase\(\s*"([a-z]+\.[a-z_-]+)"', source))
    said |= set(re.findall(r'"((?:outcome|why)\.[a-z-]+)" (?:if|else)', source))
    said |= set(re.findall(r'else "((?:outcome|why)\.[a-z-]+)"', source))
    made = {"cause", "fix", "verdict", "act", "memory", "reason", "command", "retry", "problem"}

    assert said - set(WORDS) == set()
    own = WORDS.keys() - FLEET_WORDS.keys() - {"lines", "sentences"}
    assert {key for key in own if key.split(".")[0] not in made} - said == set()


def test_every_problem_of_an_engine_has_a_text() -> None:
    source = "\n".join(path.read_text() for path in (settings.BASE_DIR / "chat").rglob("*.py"))
    problems = set(re.findall(r'(?:EngineError|HistoryRefused)\("([a-z-]+)"', source))

    assert len(problems) > 8
    assert {f"problem.{problem}" for problem in problems} - set(WORDS) == set()


TEXTS = st.text(max_size=12)
PHRASES = st.recursive(
    TEXTS | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.builds(
            lambda key, a, b: Phrase(key=key, values={"task": a, "text": b}),
            st.sampled_from(sorted(WORDS)),
            inner,
            inner,
        )
    ),
    max_leaves=6,
)


@given(task=PHRASES)
def test_any_values_can_be_rendered(task: Any) -> None:
    assert render(phrase("act.pause", task=task), "en").startswith("Pause ")
