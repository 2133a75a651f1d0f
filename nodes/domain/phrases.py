"""AgentFlow's own texts: stored and sent as a key with values, and put into words where they are shown.

Readers with different languages see the same rows, so a finished sentence would be right for only some of them. One
is stored and sent alongside: for programs, for logs, and for readers that do not know a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

from nodes.domain.wording import english, in_words, is_known, joined, phrase

__all__ = [
    "Phrase",
    "PhraseValue",
    "Phrases",
    "TextOrPhrase",
    "english",
    "from_stored",
    "in_words",
    "is_known",
    "joined",
    "phrase",
    "phrases_of",
]


class Phrase(TypedDict):
    """One of AgentFlow's own texts: its key, and the values to fill in."""

    key: str
    # They may be hostile.
    values: dict[str, PhraseValue]


PhraseValue: TypeAlias = str | int | Phrase | Sequence[str | Phrase]
# A `str` is the words of a model or a person and is never translated.
TextOrPhrase: TypeAlias = str | Phrase
# By the wire name of the text's field; a field that is not here has the words of a task, a person or a model.
Phrases: TypeAlias = dict[str, Phrase]


def phrases_of(**clauses: Iterable[Mapping[str, Any]] | None) -> Phrases:
    """The phrases of a row or an error, by the field whose clauses these are; None or empty = only the text exists."""
    return {field: joined(from_stored(stored)) for field, stored in clauses.items() if stored}


def from_stored(clauses: Iterable[Mapping[str, Any]] | None) -> tuple[Phrase, ...]:
    """The clauses that a row or a record has. Earlier versions wrote the key as `code`."""
    return tuple(Phrase(key=one.get("key") or one["code"], values=one["values"]) for one in clauses or ())
