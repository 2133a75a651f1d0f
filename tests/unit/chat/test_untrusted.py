"""Untrusted text is sent marked, capped and without hidden characters."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.untrusted import clean, encoded, marked


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("a\x00b\x08c", "abc"),
        ("a\r\nb\rc", "a\nbc"),
        ("\ud800x", "x"),
        ("pay\u202eload\u200b", "payload"),
        ("\U000e0041hidden", "hidden"),
        ("编译\t完成\n", "编译\t完成\n"),
    ],
)
def test_hidden_characters_are_removed_and_text_stays(raw: str, shown: str) -> None:
    assert clean(raw, 100) == shown


def test_the_end_of_a_long_text_is_kept_and_the_gap_is_marked() -> None:
    text = clean("a" * 1000 + "the error", 100)

    assert text.endswith("the error")
    assert "of 1009 characters left out" in text
    assert len(text) < 200


@given(st.text())
def test_marked_text_is_json_whatever_it_holds(text: str) -> None:
    value = json.loads(encoded({"output": marked("log", text, 200)}, 10_000))

    assert value["output"]["trust"] == "untrusted"
    assert "\x1b" not in value["output"]["text"]
