"""AgentFlow's own texts in conversations: phrases (nodes.domain.phrases), worded from the chat's table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from django.utils import translation

from chat.phrase_texts import WORDS
from nodes import phrases
from nodes.domain.phrases import Phrase, Phrases, Said, in_words, phrase

__all__ = ["Phrase", "Phrases", "Said", "phrase", "say", "script_phrases", "with_phrase", "worded"]


def say(said: Said, language: str | None = None, *, escape: Callable[[str], str] = str) -> str:
    """The text in this language, or the active one. `escape` is applied to texts among the values."""
    with translation.override(language) if language else nullcontext():
        return in_words(said, WORDS, escape)


def with_phrase(phrases: Mapping[str, Phrase], name: str, said: Said) -> Phrases:
    """A copy with the phrase of this text set, or removed if `said` is not a phrase."""
    others = {other: phrase for other, phrase in phrases.items() if other != name}
    return others if isinstance(said, str) else {**others, name: said}


def worded(fields: Mapping[str, Any], language: str | None, *, escape: Callable[[str], str] = str) -> dict[str, Any]:
    """The fields, with texts that are phrases put into this language; None leaves them as stored.

    The stored text stays if this version does not know its phrase.
    """
    if language is None:
        return dict(fields)
    with translation.override(language):
        return {**fields, **{name: phrases.worded(fields, name, WORDS, escape=escape) for name in fields["phrases"]}}


def script_phrases() -> dict[str, str]:
    """The words of every phrase, the fleet's too, in the active language, for the page's script."""
    return {key: str(text) for key, text in WORDS.items()}
