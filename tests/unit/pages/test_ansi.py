"""Log text is hostile: whatever it contains, a page shows it as plain text without control sequences."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.pages.ansi import plain_text

PIECES = st.sampled_from(
    ["\x1b[31m", "\x1b]8;;http://x\x07", "\x1b", "\x1b[", "\x9b", "\u202e", "\u2066", "a", "\r", "0;"]
)


@settings(max_examples=400)
@given(st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join))
def test_no_control_or_direction_character_is_left(text: str) -> None:
    shown = plain_text(text)

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", shown)
    assert plain_text(shown) == shown


def test_an_unfinished_sequence_hides_no_text() -> None:
    assert plain_text("\x1b]0;title\x07a \x1b]8;;http://x\x1b\\b \x1b]all of the line") == "a b all of the line"
