"""Puts AgentFlow's own sentences into words. Pure.

Every task's shim loads this module, so it imports almost nothing; other code uses `nodes.domain.phrases`.
"""

from __future__ import annotations

import re

from nodes.domain.phrase_texts import ENGLISH

TYPE_CHECKING = False  # Type checkers know this name; importing `typing` would cost memory in every task.
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from nodes.domain.phrases import Phrase, PhraseValue, TextOrPhrase

_VALUE = re.compile(r"\{(\w+)\}")


def phrase(key: str, /, **values: PhraseValue) -> Phrase:
    """Values may be hostile text. A node's are texts only, its numbers already formatted."""
    return {"key": key, "values": values}


def joined(clauses: Sequence[Phrase]) -> Phrase:
    """One phrase for all clauses of a message."""
    return clauses[0] if len(clauses) == 1 else phrase("clauses", parts=clauses)


def english(clauses: Sequence[Phrase]) -> str:
    """The text of a message of the fleet that is stored and sent beside its phrases."""
    return in_words(joined(clauses), ENGLISH)


def in_words(said: Any, texts: Mapping[str, Any], escape: Callable[[str], str] = str) -> str:
    """The words of a phrase or of one of its values. `escape` is applied to texts among the values."""
    if isinstance(said, str):
        return escape(said)
    if isinstance(said, (list, tuple)):
        return ", ".join(in_words(one, texts, escape) for one in said)
    if not isinstance(said, dict):
        return str(said)
    key, values = said["key"], said["values"]
    # An unknown word (a new state, say) is shown as it came.
    text = str(texts[key]) if key in texts else key.rpartition(".")[2]
    if (parts := _parts(values)) is not None:
        return text.join(in_words(part, texts, escape) for part in parts)
    # In one pass, because a value may contain braces.
    return _VALUE.sub(lambda found: in_words(values.get(found[1], found[0]), texts, escape), text)


def is_known(said: TextOrPhrase, texts: Mapping[str, Any]) -> bool:
    """Whether each of its sentences has a text. If not, the stored text says more than `in_words`."""
    if isinstance(said, str):
        return True
    return said["key"] in texts and all(is_known(part, texts) for part in _parts(said["values"]) or ())


def _parts(values: Mapping[str, Any]) -> Sequence[TextOrPhrase] | None:
    """A phrase with these joins them with its text, as "lines" does."""
    parts = values.get("parts")
    return parts if isinstance(parts, (list, tuple)) else None
