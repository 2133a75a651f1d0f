"""AgentFlow's own texts: stored and sent as a key with values, and rendered where they are displayed.

People with different languages read the same conversation, so a stored sentence would be wrong for some of them. The
values are data (names, numbers, quotes) and may be hostile; the wording comes only from `chat.phrase_texts`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, TypeAlias, TypedDict

from django.utils import translation

from chat.phrase_texts import WORDS

_VALUE = re.compile(r"\{(\w+)\}")
# These keys have no text of their own: they join their `parts`.
_JOINTS: Mapping[str, str] = {"lines": "\n", "sentences": " "}


class Phrase(TypedDict):
    """A text as JSON. A value is a text, an integer, another phrase, or a list of texts and phrases."""

    key: str
    values: dict[str, Any]


# A plain text was written by a model or a person and is never translated.
TextOrPhrase: TypeAlias = str | Phrase
# Phrases of a row or a message, by the wire name of the text.
Phrases: TypeAlias = dict[str, Phrase]


def phrase(key: str, **values: Any) -> Phrase:
    return {"key": key, "values": values}


def render(text: TextOrPhrase, language: str | None = None, *, escape: Callable[[str], str] = str) -> str:
    """The text in this language, or the active one. `escape` is applied to texts among the values."""
    with translation.override(language) if language else nullcontext():
        return _value(text, escape)


def with_phrase(phrases: Mapping[str, Phrase], name: str, text: TextOrPhrase) -> Phrases:
    """A copy with the phrase of this text set, or removed if `text` is not a phrase."""
    others = {other: phrase for other, phrase in phrases.items() if other != name}
    return others if isinstance(text, str) else {**others, name: text}


def worded(fields: Mapping[str, Any], language: str | None, *, escape: Callable[[str], str] = str) -> dict[str, Any]:
    """The fields, with phrases rendered in this language; None leaves them as stored.

    A text whose phrase this version does not know stays as stored.
    """
    if language is None:
        return dict(fields)
    known = {name: text for name, text in fields["phrases"].items() if text["key"] in WORDS or text["key"] in _JOINTS}
    return {**fields, **{name: render(text, language, escape=escape) for name, text in known.items()}}


def script_phrases() -> dict[str, str]:
    """The text of every phrase in the active language, for the page's script."""
    return {key: str(text) for key, text in WORDS.items()}


def _value(value: Any, escape: Callable[[str], str]) -> str:
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, list | tuple):
        return ", ".join(_value(one, escape) for one in value)
    if not isinstance(value, dict):
        return str(value)
    key, values = value["key"], value["values"]
    if key in _JOINTS:
        return _JOINTS[key].join(_value(part, escape) for part in values["parts"])
    # An unknown key (such as a new state) is shown as received.
    words = str(WORDS[key]) if key in WORDS else key.rpartition(".")[2]
    return _VALUE.sub(lambda found: _value(values.get(found[1], found[0]), escape), words)
