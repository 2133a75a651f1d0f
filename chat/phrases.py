"""AgentFlow's own texts in conversations: phrases (nodes.domain.phrases), rendered from the chat's table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from django.utils import translation

from chat.phrase_texts import WORDS
from nodes import phrases
from nodes.domain.phrases import Phrase, Phrases, TextOrPhrase, in_words, phrase

__all__ = ["Phrase", "Phrases", "TextOrPhrase", "phrase", "render", "script_phrases", "with_phrase", "worded"]


def render(text: TextOrPhrase, language: str | None = None, *, escape: Callable[[str], str] = str) -> str:
    """The text in this language, or the active one. `escape` is applied to texts among the values."""
    with translation.override(language) if language else nullcontext():
        return in_words(text, WORDS, escape)


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
    with translation.override(language):
        return {**fields, **{name: phrases.worded(fields, name, WORDS, escape=escape) for name in fields["phrases"]}}


def script_phrases() -> dict[str, str]:
    """The text of every phrase, the fleet's too, in the active language, for the page's script."""
    return {key: str(text) for key, text in WORDS.items()}
