"""Decides which characters are invisible, for every place that shows or sends text that others may have written.

Unseen are the Unicode categories Cc, Cf, Cs, Co, Cn, Zl and Zp, and the few characters of other categories that have no
shape of their own: variation selectors, fillers, U+034F, U+2800. They can hide instructions, reorder a line or drive a
terminal. Line feed and tab are text. So is what holds an emoji together: a variation selector, joiner or skin tone
after a pictograph, and a keycap. Other joiners are not: scripts that need them are shown with marks.

Pages, downloads and terminals show a mark such as ⟨U+202E⟩, models get the text without them, and JSON gets an escape.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from nodes.domain.unseen_ranges import RANGES

# Pictographs, which may be joined and carry a selector (U+FE0E text, U+FE0F emoji). Ranges, as in a regular expression.
PICTOGRAPHS = "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001fbff"
_ONE = f"[{PICTOGRAPHS}][\U0001f3fb-\U0001f3ff]?[\ufe0e\ufe0f]?"
# A keycap is a digit, U+FE0F and U+20E3.
EMOJI = f"{_ONE}(?:\u200d{_ONE})*|\ufe0f(?=\u20e3)"

_OTHER_THAN_ASCII = re.compile(r"[^\t\n -~]+")


def unseen_ranges() -> list[tuple[int, int]]:
    """First and last code points, ascending; without line feed and tab."""
    return [(int(first, 16), int(last or first, 16)) for first, _, last in map(_parted, RANGES.split())]


def visible(text: str) -> str:
    """With a mark for each unseen character. For people."""
    return _replaced(text, lambda character: f"⟨U+{ord(character):04X}⟩")


def without_unseen(text: str) -> str:
    """For a model, which reads what people do not see."""
    return _replaced(text, lambda _: "")


def escaped_json(body: str) -> str:
    """A JSON text in which strings escape unseen characters: the same values, harmless on a terminal."""
    return _replaced(body, _json_escape)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _replaced(text: str, replace: Callable[[str], str]) -> str:
    def in_run(run: re.Match[str]) -> str:
        return _pattern().sub(lambda found: found.group(1) or replace(found.group()), run.group())

    # Most text is printable ASCII, which this skips.
    return _OTHER_THAN_ASCII.sub(in_run, text)


@cache
def _pattern() -> re.Pattern[str]:
    # Apart, because one class with code points above U+FFFF is searched linearly for every character.
    classes = ["", ""]
    for first, last in unseen_ranges():
        if first <= 0xFFFF:
            classes[0] += _span(first, min(last, 0xFFFF))
        if last > 0xFFFF:
            classes[1] += _span(max(first, 0x10000), last)
    return re.compile(f"({EMOJI})|[{classes[0]}]|(?=[\U00010000-\U0010ffff])[{classes[1]}]")


def _span(first: int, last: int) -> str:
    return f"\\U{first:08x}-\\U{last:08x}"


def _parted(span: str) -> tuple[str, str, str]:
    return span.partition("-")
