"""Renders AgentFlow's own messages in the active language, from their parts (nodes.domain.parts)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext

from nodes.domain.part_texts import ENGLISH, SEPARATOR

_VALUE = re.compile(r"\{(\w+)\}")


def templates() -> dict[str, str]:
    """Message code → translated sentence with `{name}` placeholders."""
    return {code: gettext(text) for code, text in ENGLISH.items()}


def separator() -> str:
    """The separator between the parts of one message."""
    return gettext(SEPARATOR)


def in_words(message: str, parts: Sequence[Mapping[str, Any]] | None) -> str:
    """The translated message; `message` unchanged if it has no parts, or a part has an unknown (newer) code."""
    if not parts or any(part["code"] not in ENGLISH for part in parts):
        return message
    return separator().join(_sentence(part["code"], part["values"]) for part in parts)


def _sentence(code: str, values: Mapping[str, str]) -> str:
    # Not `str.format`: a value that a node left out must not break the page.
    return _VALUE.sub(lambda found: str(values.get(found[1], found[0])), gettext(ENGLISH[code]))
