"""The nodes and tasks that a sentence can name, and where it names them. Exact names win; digits must match."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from chat.interpret.lexicon import PHRASES, Kind, kinds_in
from chat.interpret.text import is_mark, needs_no_space, normal

# Minimum similarity of a typo to a name; the next best name must be less similar. Digits are never corrected.
_NEAR = 0.86
_CLEAR = 0.08
_MIN_FUZZY = 4
# Marks are letters here: without them, names in many scripts would be the same. The range covers all that are in use.
_MARKS = "".join(filter(is_mark, map(chr, range(0x300, 0x1F000))))
_PIECE = re.compile(rf"[a-z]+|\d+|[^\W\d_a-z]|[{_MARKS}]+")
_WORD = re.compile(rf"[a-z]+|\d+|(?:[^\W\d_a-z]|[{_MARKS}])+")
_JOINT = re.compile(r"[\s\-_./#:]*")
_MAX_PIECES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    id: str
    name: str
    kind: str = ""  # The kind of work, if known.
    node: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Mention:
    """A place in the sentence that names a node, a task by its id, or tasks by their name."""

    start: int
    end: int
    nodes: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    start: int
    end: int


class World:
    """Indexes nodes and tasks: look-ups do not scan all tasks."""

    def __init__(self, nodes: Iterable[str], tasks: Iterable[Task]) -> None:
        self.nodes = tuple(nodes)
        self.tasks = tuple(tasks)
        self.by_id = {task.id: task for task in self.tasks}
        self.order = {task.id: index for index, task in enumerate(self.tasks)}
        self._names: dict[str, _Named] = defaultdict(_Named)
        self._words: dict[str, set[str]] = defaultdict(set)
        self._kinds: dict[str, set[str]] = {}
        for node in self.nodes:
            self._named(node).nodes.append(node)
        for task in self.tasks:
            self._named(task.id).ids.append(task.id)
            self._named(task.name).tasks.append(task.id)
            for word in _words_of(task.name):
                self._words[word].add(task.id)
            self._kinds[task.id] = {normal(task.kind)} | kinds_in(normal(task.name))
        self._nodes_by_key = [(_key(normal(node)), node) for node in self.nodes]
        self._names.pop("", None)

    def _named(self, name: str) -> _Named:
        return self._names[_key(normal(name))]

    def mentions(self, text: str) -> list[Mention]:
        """Exact names, the longest at each position. `text` is normalized."""
        pieces = [_Piece(m.group(), m.start(), m.end()) for m in _PIECE.finditer(text)]
        found: list[Mention] = []
        index = 0
        while index < len(pieces):
            mention, used = self._longest(text, pieces, index)
            if mention is not None:
                found.append(mention)
            index += used
        return found

    def _longest(self, text: str, pieces: Sequence[_Piece], first: int) -> tuple[Mention | None, int]:
        key, best, used = "", None, 1
        for last in range(first, min(len(pieces), first + _MAX_PIECES)):
            piece = pieces[last]
            if last > first and not _JOINT.fullmatch(text, pieces[last - 1].end, piece.start):
                break
            key += piece.text
            named = self._names.get(key)
            if named is not None and _stands_alone(text, pieces[first].start, piece.end):
                best, used = Mention(pieces[first].start, piece.end, *named.all()), last - first + 1
        return best, used

    def having_word(self, word: str) -> frozenset[str]:
        """Ids of the tasks whose names contain this word."""
        return frozenset(self._words.get(word, ()))

    def is_of_kind(self, task: Task, kind: str) -> bool:
        """Whether the task is of this kind, by its declared kind or a word of its name."""
        return kind in self._kinds[task.id]

    def near_node(self, text: str) -> str:
        """The node that was probably meant; empty if none or several are similar."""
        if len(text) < _MIN_FUZZY:
            return ""
        wanted = _key(text)
        ranked = sorted(
            (
                (SequenceMatcher(None, wanted, key).ratio(), node)
                for key, node in self._nodes_by_key
                if _same(key, wanted) and _may_be_near(key, wanted)
            ),
            reverse=True,
        )
        if not ranked or ranked[0][0] < _NEAR or (len(ranked) > 1 and ranked[0][0] - ranked[1][0] < _CLEAR):
            return ""
        return ranked[0][1]


@dataclass(slots=True)
class _Named:
    nodes: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)

    def all(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        return tuple(self.nodes), tuple(self.ids), tuple(self.tasks)


def _key(text: str) -> str:
    """The key of a name, without separators."""
    return "".join(_PIECE.findall(text))


def _same(left: str, right: str) -> bool:
    """Whether both have the same digits: "worker-1" is never a typo of "worker-2"."""
    return re.sub(r"\D", "", left) == re.sub(r"\D", "", right)


def _may_be_near(left: str, right: str) -> bool:
    """Whether their lengths alone allow the similarity that matters; it costs far less than the comparison."""
    return 2 * min(len(left), len(right)) >= (_NEAR - _CLEAR) * (len(left) + len(right))


def _words_of(name: str) -> set[str]:
    """Words that can refer to the name, without those that the lexicon uses for something else."""
    words = set(_WORD.findall(normal(name)))
    return {word for word in words if PHRASES.get(word, (Kind.TASK_KIND,))[0] is Kind.TASK_KIND}


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether it is not part of a longer word or number."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return not _sticks(before, text[start]) and not _sticks(text[end - 1], after)


def _sticks(left: str, right: str) -> bool:
    if not left or not right:
        return False
    if is_mark(right):
        return True
    if needs_no_space(left) or needs_no_space(right):
        return False
    return (left.isdigit() and right.isdigit()) or ((left.isalpha() or is_mark(left)) and right.isalpha())
