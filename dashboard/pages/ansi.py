"""Terminal output as plain text, for pages without scripts (the script renders colours)."""

from __future__ import annotations

import re

from nodes.domain.unseen import visible

_SEQUENCES = re.compile(
    r"\x1b\[[0-9;:?<=>!]*[ -/]*[@-~]"  # CSI: colours, cursor moves
    r"|\x1b\](?:[^\x07\x1b]*(?:\x07|\x1b\\))?"  # OSC: titles, links. One without an end must not hide the line.
    r"|\x1b[@-Z\\^_=>78()#]?"
    r"|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]"
)


def plain_text(text: str) -> str:
    """Without what drives a terminal; other characters that nobody sees become marks."""
    return visible(_SEQUENCES.sub("", text))
