"""A sentence split into names of nodes and tasks, phrases of the lexicon, and unknown words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from chat.interpret.lexicon import NOT, PHRASES, WHEN, Kind, phrase_at
from chat.interpret.world import Mention, World

_QUOTED = re.compile(r"[\"“”「『《][^\"“”」』》]*[\"”“」』》]|(?<![a-z])'[^']+'(?![a-z])")
_POSSESSIVE = re.compile(r"'s(?![a-z0-9])")
_MIND = frozenset({"would you mind", "do you mind"})
_LEFT_OVER = re.compile(r"[_'-]{0,20}[a-z0-9](?:[a-z0-9_'-]*[a-z0-9])?|[^\W_]")


@dataclass(frozen=True, slots=True)
class Phrase:
    kind: Kind
    value: str
    text: str
    start: int


@dataclass(slots=True)
class Sentence:
    """`words`: words of task names. `near`: nodes with a similar name. `left`: unknown words."""

    text: str
    phrases: list[Phrase] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    near: list[str] = field(default_factory=list)

    def has(self, *kinds: Kind) -> bool:
        return any(phrase.kind in kinds for phrase in self.phrases)

    def values(self, kind: Kind) -> list[str]:
        return [phrase.value for phrase in self.phrases if phrase.kind is kind]

    def says(self, *texts: str) -> bool:
        return any(phrase.text in texts for phrase in self.phrases)

    def forbids(self) -> bool:
        """A negation comes right before an action, with nothing but filler words between."""
        no_until = -1
        for phrase in self.phrases:
            is_next = no_until >= 0 and not self.text[no_until : phrase.start].strip()
            if is_next and phrase.kind in (Kind.ACTION, Kind.STOP, Kind.GERUND):
                return True
            goes_on = phrase.kind is Kind.NEGATION or (is_next and phrase.kind in (Kind.POLITE, Kind.FILLER))
            no_until = phrase.start + len(phrase.text) if goes_on else -1
        return False

    def without_names(self) -> str:
        """The text with a space in place of each name, which may contain any character."""
        text, end = "", 0
        for mention in self.mentions:
            text, end = f"{text}{self.text[end : mention.start]} ", mention.end
        return text + self.text[end:]

    def quotes_an_action(self) -> bool:
        quoted = [match.span() for match in _QUOTED.finditer(self.text)]
        return any(
            start <= phrase.start < end
            for phrase in self.phrases
            if phrase.kind in (Kind.ACTION, Kind.STOP)
            for start, end in quoted
        )


def cut(text: str, world: World | None = None, table: Mapping[str, tuple[Kind, str]] = PHRASES) -> Sentence:
    """`text` is normalized. Names match first, as they may contain any word; known phrases are not names."""
    sentence = Sentence(text)
    if world is not None:
        sentence.mentions = [m for m in world.mentions(text) if not _is_word_of_ours(text[m.start : m.end])]
    edges = [0, *(at for mention in sentence.mentions for at in (mention.start, mention.end)), len(text)]
    for start, end in list(pairwise(edges))[::2]:
        _cut_between(sentence, start, end, table)
    sentence.phrases = list(_with_polite_orders(text, sentence.phrases))
    return sentence


def _with_polite_orders(text: str, phrases: Sequence[Phrase]) -> Iterator[Phrase]:
    """Rewrites "would you mind pausing …" to "pause …"."""
    asked_until = -1
    for phrase in phrases:
        is_next = asked_until >= 0 and not text[asked_until : phrase.start].strip(" ,")
        is_polite = phrase.text in _MIND or (is_next and phrase.kind is Kind.POLITE)
        asked_until = phrase.start + len(phrase.text) if is_polite else -1
        if is_next and phrase.kind is Kind.GERUND:
            yield replace(phrase, kind=Kind.STOP if phrase.value == "stop" else Kind.ACTION)
        else:
            yield phrase


def _is_word_of_ours(text: str) -> bool:
    return text in PHRASES and PHRASES[text][0] is not Kind.TASK_KIND


def _cut_between(sentence: Sentence, index: int, end: int, table: Mapping[str, tuple[Kind, str]]) -> None:
    text = sentence.text
    while index < end:
        stop = 0
        if found := phrase_at(text, index, table, end):
            kind, value, stop = found
        for pattern, other in ((WHEN, Kind.CONDITION), (NOT, Kind.NEGATION)):
            match = pattern.match(text, index, end)
            if match and match.end() > stop and _begins_word(text, index):
                kind, value, stop = other, "", match.end()
        if stop:
            sentence.phrases.append(Phrase(kind, value, text[index:stop], index))
        elif _POSSESSIVE.match(text, index, end):
            stop = index + 2
        elif left := _LEFT_OVER.match(text, index, end):
            sentence.left.append(left.group())
            stop = left.end()
        index = stop or index + 1


def _begins_word(text: str, index: int) -> bool:
    return not (index and text[index - 1].isascii() and text[index - 1].isalnum() and text[index].isalnum())
