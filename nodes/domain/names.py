"""Names of projects and named tasks: letters and digits of any script, in one spelling (Unicode NFC). Pure.

A valid name is safe in "project:node", in a path and in a URL: it has no separator and no character that nobody sees.
"""

from __future__ import annotations

import re
import unicodedata

MAX_NAME_CHARACTERS = 64
_MAX_FOREIGN_CHARACTERS = 200

# Letters, marks (many scripts write vowels with them), digits and letter-like numbers such as 〇.
_LETTERS = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Nl"})
_MARKS = frozenset({"Mn", "Mc"})
# Controls, format characters, surrogates, private use, unassigned, separators that are not the plain space.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})
# Letters and marks that show nothing: of Default_Ignorable_Code_Point in
# https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt, and a filler that is not in it.
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U00016fe4\U000e0100-\U000e01ef]"
)


def normal_name(text: str) -> str:
    """The one spelling of a text: "é" is the same as "e" with an accent."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def is_name(text: str) -> bool:
    """Whether `text`, in its normal spelling, may name a project or a named task."""
    if not 0 < len(text) <= MAX_NAME_CHARACTERS or has_unseen(text):
        return False
    return _begins_name(text[0]) and all(
        character in "_.-" or unicodedata.category(character) in _LETTERS | _MARKS for character in text
    )


def has_unseen(text: str) -> bool:
    """Whether it has a character that nobody sees, or that changes how others are shown."""
    if text.isascii():
        return not text.isprintable()
    return _IGNORABLE.search(text) is not None or any(map(_is_unseen, text))


def foreign_name(text: str) -> str:
    """What a client calls a project, as it is kept: in one spelling, without characters that nobody sees; bounded.

    A client that is not ours may use any other character. Empty only if nothing of it can be seen.
    """
    text = normal_name(text[:_MAX_FOREIGN_CHARACTERS])
    if has_unseen(text):
        seen = (one for one in _IGNORABLE.sub("", text) if not _is_unseen(one))
        text = normal_name("".join(seen))
    return text.strip()[:_MAX_FOREIGN_CHARACTERS]


def _is_unseen(character: str) -> bool:
    return character != " " and unicodedata.category(character) in _UNSEEN


def _begins_name(character: str) -> bool:
    return character == "_" or unicodedata.category(character) in _LETTERS
