"""Terminal output as plain text, for pages without scripts (the script renders colours)."""

from __future__ import annotations

import re

_SEQUENCES = re.compile(
    r"\x1b\[[0-9;:?<=>!]*[ -/]*[@-~]"  # CSI: colours, cursor moves
    r"|\x1b\](?:[^\x07\x1b]*(?:\x07|\x1b\\))?"  # OSC: titles, links. One without an end must not hide the line.
    r"|\x1b[@-Z\\^_=>78()#]?"
    r"|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]"
)
# Characters that change the writing direction could disguise what was printed.
_TURNS = {code: f"⟨U+{code:X}⟩" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def plain_text(text: str) -> str:
    return _SEQUENCES.sub("", text).translate(_TURNS)
