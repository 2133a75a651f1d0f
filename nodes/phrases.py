"""AgentFlow's own sentences in the reader's language (nodes.domain.phrases)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.functional import Promise, keep_lazy_text
from django.utils.translation import gettext_lazy

from nodes.domain.phrase_texts import ENGLISH
from nodes.domain.phrases import in_words, is_known
from nodes.state_labels import NODE_STATES, TASK_HEALTH, TASK_STATES


@keep_lazy_text
def _lowered(word: str | Promise) -> str:
    """A state has no capital inside a sentence."""
    return str(word).lower()


# The words of every phrase that the fleet stores, and of states inside a sentence.
WORDS: Mapping[str, str | Promise] = {
    **{key: gettext_lazy(text) for key, text in ENGLISH.items()},
    **{f"node.{state}": _lowered(word) for state, word in NODE_STATES.items()},
    **{f"task.{state}": _lowered(word) for state, word in TASK_STATES.items()},
    **{f"health.{health}": _lowered(word) for health, word in TASK_HEALTH.items()},
}


def worded(
    thing: Mapping[str, Any],
    field: str,
    words: Mapping[str, str | Promise] = WORDS,
    *,
    escape: Callable[[str], str] = str,
) -> str:
    """The text of this field in the active language if it is a known phrase, otherwise as it was stored."""
    phrase = thing.get("phrases", {}).get(field)
    return in_words(phrase, words, escape) if phrase and is_known(phrase, words) else str(thing.get(field) or "")
