"""Values that every database accepts and every message holds.

PostgreSQL has no NUL in a text, and no database accepts half a character. A message holds integers of 64 bits;
PostgreSQL returns a large float within JSON as an integer, and has no NaN there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_LARGEST_FLOAT = 1e18
_REFUSED = re.compile("[\x00\ud800-\udfff]")


def storable_text(text: str) -> str:
    """Replaces what a database refuses, instead of removing it: two different texts must not become the same id."""
    return text if text.isascii() and "\x00" not in text else _REFUSED.sub(REPLACEMENT, text)


def storable(value: Any) -> Any:
    """The same for all text and numbers within JSON, also the names of an object's fields."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, float):
        return value if abs(value) <= _LARGEST_FLOAT else REPLACEMENT
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 64 else REPLACEMENT
    if isinstance(value, Mapping):
        return {storable(name): storable(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [storable(inner) for inner in value]
    if isinstance(value, tuple):
        return tuple([storable(inner) for inner in value])
    return value
