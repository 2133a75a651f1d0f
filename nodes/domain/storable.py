"""Text that every database accepts: PostgreSQL has no NUL in a text, and none accepts half a character."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_REFUSED = re.compile("[\x00\ud800-\udfff]")


def storable_text(text: str) -> str:
    """Replaces what a database refuses, instead of removing it: two different texts must not become the same id."""
    return text if text.isascii() and "\x00" not in text else _REFUSED.sub(REPLACEMENT, text)


def storable(value: Any) -> Any:
    """The same for all text within JSON, also the names of an object's fields."""
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, Mapping):
        return {storable(name): storable(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [storable(inner) for inner in value]
    if isinstance(value, tuple):
        return tuple([storable(inner) for inner in value])
    return value
