"""Characters that nobody sees: one decision, for the server, its pages and their scripts."""

from __future__ import annotations

import json
import logging
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentflow_site.visible_log import VisibleFormatter
from agentflow_site.visible_templates import VisibleTemplates
from dashboard.api.bodies import JsonRenderer
from nodes.domain.unseen import escaped_json, unseen_ranges, visible, without_unseen
from nodes.domain.unseen_ranges import UNICODE_VERSION

_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
TEXT = st.text(st.characters() | st.sampled_from("\u200d\ufe0f\U0001f469\U000e0041\x9b\x1b\u202e"), max_size=20)


def _unseen() -> set[int]:
    return {code for first, last in unseen_ranges() for code in range(first, last + 1)}


def test_the_table_has_every_character_of_these_categories() -> None:
    table = _unseen()
    is_same_unicode = unicodedata.unidata_version == UNICODE_VERSION

    for code in range(0x110000):
        category = unicodedata.category(chr(code))
        if category == "Cn" or chr(code) in "\t\n":
            continue  # Later versions assign some.
        assert category not in _CATEGORIES or code in table, hex(code)
        if is_same_unicode and code in table and category not in _CATEGORIES:
            assert category in ("Mn", "Lo", "So"), hex(code)
    assert {0xFE00, 0xFE0F, 0xE0100, 0xE01EF, 0xE0001, 0x34F, 0x3164, 0x2800} <= table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("编译 “é” あ …\t1\n", "编译 “é” あ …\t1\n"),
        ("👩\u200d🔬 ❤\ufe0f 👍🏽 1\ufe0f\u20e3 🇩🇪 ©\ufe0e", "👩\u200d🔬 ❤\ufe0f 👍🏽 1\ufe0f\u20e3 🇩🇪 ©\ufe0e"),
        ("a\u200db", "a⟨U+200D⟩b"),
        ("a\ufe0f", "a⟨U+FE0F⟩"),
        ("👩\u200d", "👩⟨U+200D⟩"),
        ("👩\ufe0f\ufe0f", "👩\ufe0f⟨U+FE0F⟩"),
        ("\U000e0041\U000e0100", "⟨U+E0041⟩⟨U+E0100⟩"),
        ("\x1b[2J\x9b\x00\r", "⟨U+001B⟩[2J⟨U+009B⟩⟨U+0000⟩⟨U+000D⟩"),
        ("\u2028\u2029\ue000\u0378\ud800", "⟨U+2028⟩⟨U+2029⟩⟨U+E000⟩⟨U+0378⟩⟨U+D800⟩"),
    ],
)
def test_ordinary_text_and_emoji_stay_and_the_rest_is_marked(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert without_unseen(text) == re.sub("⟨U[^⟩]*⟩", "", shown)


@given(TEXT)
def test_marks_are_final_and_json_keeps_its_values(text: str) -> None:
    assert visible(visible(text)) == visible(text)
    assert json.loads(escaped_json(json.dumps(text, ensure_ascii=False))) == text


@given(TEXT)
def test_nothing_unseen_is_left_but_in_emoji(text: str) -> None:
    left = re.sub("[\u200d\ufe0e\ufe0f]", "", visible(text))

    assert _unseen().isdisjoint(map(ord, left))


def test_a_rest_response_is_inert_on_a_terminal_and_has_the_same_values() -> None:
    data = {"name": "a\x9b2Jb\u202e\x7f\U000e0041", "emoji": "👩\u200d🔬"}

    body = JsonRenderer().render(data)

    assert json.loads(body) == data
    assert not re.search("[\x7f-\x9f\u202e\U000e0041]", body.decode())


def test_a_log_line_is_inert_on_a_terminal() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "node %s", ("a\x1b]0;t\x07\u202e",), None)

    assert VisibleFormatter("%(message)s").format(record) == "node a⟨U+001B⟩]0;t⟨U+0007⟩⟨U+202E⟩"


def test_every_template_shows_marks() -> None:
    engine = VisibleTemplates(
        {"NAME": "t", "DIRS": [], "APP_DIRS": False, "OPTIONS": {"builtins": [], "libraries": {}}}
    )

    shown = engine.from_string("<p>{{ name }}</p>").render({"name": "a\u202e<b>"})

    assert shown == "<p>a⟨U+202E⟩&lt;b&gt;</p>"
