"""The check of every analysis, and the line that the memory keeps about a fix."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.stalls.check import InvalidAnalysis, checked, finding_of
from chat.stalls.fix_history import HEADING, MOST_LINES, answer_key, read_lines, with_result
from chat.stalls.stall_context import Citation, Finding, Fix, Piece, Remembered, StallContext
from nodes.domain.states import Action, TaskState

TODAY = date(2026, 11, 28)
MARK = "0123456789ab"


def stall(lines: str = "step 1\nContinue?   [y/N]") -> StallContext:
    return StallContext(
        alert_id=1,
        kind="waiting",
        task_id="t1",
        node_id="master-1",
        project="shop",
        name="build",
        state=TaskState.RUNNING,
        accepts_input=True,
        reason="r",
        pieces=(Piece(id="e1", kind="lines", text=lines), Piece(id="e2", kind="metrics", text="cpu=0")),
    )


def finding(**fields: Any) -> Finding:
    return Finding(
        **{"cause": "c", "confidence": "high", "evidence": (Citation(id="e1", quote="step 1"),), "fixes": (), **fields}
    )


@pytest.mark.parametrize(
    ("citation", "is_kept"),
    [
        (Citation(id="e1", quote="Continue? [y/N]"), True),  # Spaces do not matter.
        (Citation(id="e1", quote="  step 1\nContinue? "), True),
        (Citation(id="e1"), True),
        (Citation(id="e9", quote="step 1"), False),
        (Citation(id="e2", quote="step 1"), False),  # It is in another piece.
        (Citation(id="e1", quote="step 2"), False),
    ],
)
def test_only_quotes_from_the_evidence_are_cited(citation: Citation, is_kept: bool) -> None:
    found = checked(stall(), finding(evidence=(citation,)))

    assert bool(found.evidence) is is_kept
    assert found.confidence == ("high" if is_kept else "low")


@pytest.mark.parametrize(
    ("fix", "is_possible"),
    [
        (Fix(action=Action.INPUT, text="y"), True),
        (Fix(action=Action.INPUT, text=""), True),
        (Fix(action=Action.INPUT, text="y\n"), True),
        (Fix(action=Action.INPUT, text="y\nrm -rf /"), False),
        (Fix(action=Action.INPUT, text="y\x1b[2J"), False),
        (Fix(action=Action.INPUT, text="y\u202e"), False),
        (Fix(action=Action.INPUT, text="y\tz"), False),
        (Fix(action=Action.INPUT, text="y" * 201), False),
        (Fix(action=Action.PAUSE), True),
        (Fix(action=Action.CANCEL), True),
        (Fix(action=Action.RESUME), False),
        (Fix(action=Action.RETRY), False),
    ],
)
def test_only_possible_actions_are_proposed(fix: Fix, is_possible: bool) -> None:
    found = checked(stall(), finding(fixes=(fix, fix)))

    assert len(found.fixes) == is_possible


def test_no_secret_is_proposed() -> None:
    found = checked(stall("Password:"), finding(fixes=(Fix(action=Action.INPUT, text="x"), Fix(action=Action.CANCEL))))

    assert [fix.action for fix in found.fixes] == [Action.CANCEL]


@pytest.mark.parametrize(
    "answer", [None, [], "x", {}, {"cause": ""}, {"cause": "c"}, {"cause": "c", "evidence": {}, "fixes": []}]
)
def test_an_invalid_analysis_is_refused(answer: Any) -> None:
    with pytest.raises(InvalidAnalysis):
        finding_of(answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["id", "quote", "action", "text", "why"]), inner)
    ),
    max_leaves=12,
)


@given(
    cause=st.text(max_size=600), confidence=JSON, evidence=st.lists(JSON, max_size=6), fixes=st.lists(JSON, max_size=6)
)
def test_any_answer_of_a_model_gives_a_valid_analysis(cause: str, confidence: Any, evidence: Any, fixes: Any) -> None:
    try:
        found = checked(
            stall(), finding_of({"cause": cause, "confidence": confidence, "evidence": evidence, "fixes": fixes})
        )
    except InvalidAnalysis:
        return
    assert found.confidence in ("high", "medium", "low")
    assert len(found.fixes) <= 3
    assert {citation.id for citation in found.evidence} <= {"e1", "e2"}
    assert found.evidence or found.confidence == "low"


# --- what is remembered ---------------------------------------------------------------------------


def test_results_are_counted_in_one_line_per_problem_and_fix() -> None:
    yes = Fix(action=Action.INPUT, text="y")
    text = with_result("", fingerprint=MARK, sort="yes-no", fix=yes, has_helped=True, today=TODAY)
    text = with_result(
        text, fingerprint=MARK, sort="yes-no", fix=Fix(action=Action.CANCEL), has_helped=False, today=TODAY
    )
    text = with_result(text, fingerprint=MARK, sort="yes-no", fix=yes, has_helped=False, today=TODAY)

    assert text == (
        f"{HEADING}- {MARK} (yes-no): cancel helped 0, not helped 1, last 2026-11-28\n"
        f'- {MARK} (yes-no): input "y" helped 1, not helped 1, last 2026-11-28\n'
    )
    assert read_lines(text, MARK) == (
        Remembered(action=Action.CANCEL, answer="", helped=0, failed=1),
        Remembered(action=Action.INPUT, answer='"y"', helped=1, failed=1),
    )
    assert read_lines(text, "ffffffffffff") == ()


def test_lines_written_by_people_stay_in_the_file() -> None:
    before = f"- ask ann first\n- {MARK} (lock): pause helped 2, not helped 0\n"

    text = with_result(
        before, fingerprint=MARK, sort="lock", fix=Fix(action=Action.PAUSE), has_helped=True, today=TODAY
    )

    assert "ask ann first" in text
    assert read_lines(text, MARK)[0].helped == 3
    assert text.count(MARK) == 1


def test_the_file_does_not_grow_without_limit() -> None:
    text = ""
    for number in range(MOST_LINES + 20):
        text = with_result(
            text, fingerprint=f"{number:012x}", sort="lock", fix=Fix(action=Action.PAUSE), has_helped=True, today=TODAY
        )

    assert len(text.strip().split("\n")) == MOST_LINES
    assert text.startswith(HEADING)


@given(st.text(max_size=80))
def test_a_line_contains_only_plain_words(answer: str) -> None:
    fix = Fix(action=Action.INPUT, text=answer)
    text = with_result("", fingerprint=MARK, sort="input", fix=fix, has_helped=True, today=TODAY)

    assert len(text.split("\n")) == 3
    (past,) = read_lines(text, MARK)
    assert past.answer == answer_key(fix)
    assert past.literal in (None, answer)


@pytest.mark.parametrize(
    ("prompt", "proposed", "expected"),
    [
        ("Delete? [y/N]", ["y", "n"], ["n", "y"]),
        ("Delete? [y/N]", ["y", ""], ["", "y"]),
        ("Delete? [Y/n]", ["y", "n"], ["y", "n"]),
        ("Delete? [y/n]", ["y", "n"], ["y", "n"]),
        ("Delete? [y/N]", ["y"], ["y"]),
        ("1. dev\n2. prod\nWhich one? [2]", ["1", "2"], ["2", "1"]),
    ],
)
def test_the_prompts_own_default_is_proposed_before_other_answers(
    prompt: str, proposed: list[str], expected: list[str]
) -> None:
    answers = [Fix(action=Action.INPUT, text=text) for text in proposed]

    found = checked(stall(prompt), finding(fixes=(*answers, Fix(action=Action.CANCEL))))

    assert [fix.text for fix in found.fixes[:-1]] == expected
    assert found.fixes[-1].action is Action.CANCEL
