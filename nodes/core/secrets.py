"""Redacts secrets in text that people, journals and models see. The shim loads this too, so it imports little.

It hides the values of variables with secret-looking names, what `nodes.core.secret_table` lists, and a project's own
patterns and values. It does not find encoded values (base64, percent-encoding) or keys in formats that are not listed.

The time is linear in the text. What still takes too long, on a busy machine or with many secrets in a line, is
*withheld*: the whole line is replaced.
"""

from __future__ import annotations

import re
import time

from nodes.core import secret_arguments
from nodes.core import secret_table as table
from nodes.core.secret_names import NAME
from nodes.core.secret_value import OPTION, is_ordinary, is_placeholder, span_of

TYPE_CHECKING = False  # Type checkers know this name; importing `typing` would cost the shim memory and start-up time.
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Line = tuple[bytes, int]
    Span = tuple[int, int]

REDACTED = "[redacted]"
_REDACTED = REDACTED.encode()
WITHHELD = b"[withheld]"
_SHORTEST = 6  # Shorter values are ordinary words that appear everywhere.
_BLOCK_LINES = 200  # A key block without an end line hides at most this many lines.
_MOST_PLACES = 100  # To look at in one line: each costs a new search, so their number keeps the time linear.
_BUDGET_SECONDS = 0.05  # Of processor time, for one piece of output; the time that a control may have to wait for it.
_VALUES_A_CHECK = 64
_OVERLAPS = 64

_BEGIN, _END = b"-----BEGIN ", b"-----END "
_KEY_END = re.compile(rb"PRIVATE KEY(?: BLOCK)?-----")
_WORD_BYTES = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz.-"
_KEY_BYTES = _WORD_BYTES + b"~+/=:"
_NO_SPACE_BYTES = bytes(set(range(256)) - set(b" \t\r\f\v"))
_KEY_LENGTHS = range(16, 200)  # An unfinished word of such a length may be a key that has no opener.
_OPEN_TAIL = re.compile(rb"(?:://[^\s/:@]*:[^\s/]*|-----BEGIN [^\n]*)\Z")


def is_secret_name(name: str) -> bool:
    return NAME.search(name.encode("utf-8", "surrogateescape")) is not None


def secret_values(environment: Mapping[str, str], more: Iterable[str] = ()) -> tuple[bytes, ...]:
    """Secret values, longest first, so that no value hides only part of another; each line of a value separately."""
    values = [*more, *[value for name, value in environment.items() if is_secret_name(name)]]
    found = {line.strip().encode("utf-8", "surrogateescape") for value in values for line in value.splitlines()}
    return tuple(sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True))


def hide(text: str, environment: Mapping[str, str]) -> str:
    """Redacts text of one or more lines."""
    return Redactor(secret_values(environment)).hide(text)


def hide_in_command(text: str, environment: Mapping[str, str]) -> str:
    """Redacts a command line, where what follows `--password` is one, whatever it looks like."""
    return Redactor(secret_values(environment)).hide(text, is_command=True)


def hide_in_argv(argv: Iterable[str], environment: Mapping[str, str]) -> list[str]:
    return Redactor(secret_values(environment)).hide_in_argv(argv)


class OverBudget(Exception):
    """The line has too many places that may be secrets, or the time is up."""


class Redactor:
    """Redacts streams that arrive in pieces. Each stream has its own open key block.

    `values` are hidden wherever they stand; longest first. `patterns` are a project's own, in RE2's syntax: their first
    group is hidden, or all that they match. `clock` measures processor time.
    """

    def __init__(
        self,
        values: Iterable[bytes] = (),
        patterns: Iterable[str] = (),
        *,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._values = tuple(values)
        self._patterns = tuple(table.own_pattern(pattern) for pattern in patterns)
        self._clock = clock
        self._until = 0.0
        self._blocks: dict[int, int] = {}  # Stream → lines left in its open key block.
        self.redacted = 0  # Secrets replaced so far.
        self.withheld = 0  # Lines replaced as a whole, because the search would have taken too long.

    def lines(self, stream: int, lines: list[Line], before: bytes = b"") -> list[Line]:
        """The same lines with their secrets redacted. `before`: the part of the first line that was shown already."""
        if not lines:
            return lines
        self._until = self._clock() + _BUDGET_SECONDS
        joined = b"\n".join([before + lines[0][0], *[line[0] for line in lines[1:]]]) if before else _joined(lines)
        has_cut = len(joined) > 8192 and any([line[1] for line in lines])
        if not has_cut and not self._blocks.get(stream) and not self._is_suspect(joined):
            return lines
        hidden = []
        for text, cut in lines:
            hidden.append((self._line(stream, text, before=before, is_cut=bool(cut)), cut))
            before = b""
        return hidden

    def hide(self, text: str, *, is_command: bool = False) -> str:
        """Redacts text of one or more lines."""
        self._until = self._clock() + _BUDGET_SECONDS
        lines = text.encode("utf-8", "surrogateescape").split(b"\n")
        self._blocks[0] = 0
        return b"\n".join([self._line(0, line, is_strict=is_command) for line in lines]).decode("utf-8", "replace")

    def hide_in_argv(self, argv: Iterable[str]) -> list[str]:
        """Redacts each argument; the argument after `--password` is replaced entirely."""
        words = list(argv)
        raw = [word.encode("utf-8", "surrogateescape") for word in words]
        places: dict[int, list[Span]] = {}
        for index, start, end in secret_arguments.in_words(raw):
            places.setdefault(index, []).append((start, end))
        shown: list[str] = []
        is_value = False
        for index, word in enumerate(words):
            if is_value and not word.startswith("-"):
                shown.append(REDACTED)
            elif index in places:
                cut = _without(raw[index], places[index])
                shown.append(self.hide(cut.decode("utf-8", "replace"), is_command=True))
            else:
                shown.append(self.hide(word, is_command=True))
            is_value = word.startswith("-") and "=" not in word and is_secret_name(word.replace("-", "_"))
        return shown

    def skip(self, stream: int, data: bytes) -> None:
        """Takes note of dropped output: a key block may begin or end in it."""
        if _KEY_END.search(data):
            self._blocks[stream] = _BLOCK_LINES if data.rfind(_BEGIN) > data.rfind(_END) else 0

    def held_from(self, text: bytes, before: bytes = b"") -> int:
        """The offset at which the end of an unfinished line may be part of a secret; the line's length if it is not."""
        self._until = self._clock() + _BUDGET_SECONDS
        line = before + text
        try:
            start = self._open_from(line)
        except OverBudget:
            start = 0
        return max(0, start - len(before))

    def _open_from(self, line: bytes) -> int:
        start = len(line)
        for value in (*self._values, _BEGIN):
            start = min(start, _overlap(line, value))
        word = line[len(line.rstrip(_WORD_BYTES)) :]
        if word and any(word.startswith(opener) or opener.startswith(word) for opener in table.OPENERS):
            start = min(start, len(line) - len(word))
        key = len(line.rstrip(_KEY_BYTES))
        if len(line) - key in _KEY_LENGTHS:
            start = min(start, key)
        if self._patterns:
            start = min(start, len(line.rstrip(_NO_SPACE_BYTES)))
        opened = _OPEN_TAIL.search(line)
        if opened is not None:
            start = min(start, opened.start())
        # What has begun may still grow. A complete secret may end with the same bytes that another starts with.
        for begin, end in sorted(self._spans(line, is_strict=True), reverse=True):
            if begin < start <= end:
                start = begin
        return start

    def _is_suspect(self, text: bytes) -> bool:
        for number, value in enumerate(self._values):
            if value in text:
                return True
            if number % _VALUES_A_CHECK == _VALUES_A_CHECK - 1 and self._clock() > self._until:
                return True
        if table.TABLE.search(text) is not None:
            return True
        return any([pattern.search(text) is not None for pattern in self._patterns])

    def _line(
        self, stream: int, text: bytes, *, before: bytes = b"", is_cut: bool = False, is_strict: bool = False
    ) -> bytes:
        try:
            return self._redacted(stream, text, before, is_cut=is_cut, is_strict=is_strict)
        except OverBudget:
            self.skip(stream, text)
            self.withheld += 1
            return WITHHELD

    def _redacted(self, stream: int, text: bytes, before: bytes, *, is_cut: bool, is_strict: bool) -> bytes:
        self._check_time()
        hidden: list[Span] = []
        left = self._blocks.get(stream, 0)
        if left:
            at = text.find(_END)
            self._blocks[stream] = left - 1 if at < 0 else 0
            found = _KEY_END.search(text, at) if at >= 0 else None
            end = found.end() if found else len(text)
            if end == len(text):
                return _REDACTED
            hidden.append((0, end))
        line = before + text
        shift = len(before)
        hidden += [(start - shift, end - shift) for start, end in self._spans(line, is_strict=is_strict) if end > shift]
        if is_cut:  # The part that is cut off may have been the rest of a secret.
            start = self._open_from(line) - shift
            if start < len(text):
                hidden.append((start, len(text)))
        begin = line.rfind(_BEGIN)
        if begin >= 0 and _KEY_END.search(line, begin) and line.find(_END, begin) < 0:
            self._blocks[stream] = _BLOCK_LINES
        if not hidden:
            return text
        hidden = _merged([(max(0, start), end) for start, end in hidden])
        self.redacted += len(hidden)
        return _without(text, hidden)

    def _spans(self, line: bytes, *, is_strict: bool) -> list[Span]:
        """The secrets in a line; they may overlap. Raises OverBudget."""
        spans: list[Span] = []
        places = 0
        for number, value in enumerate(self._values):
            at = line.find(value)
            while at >= 0:
                spans.append((at, at + len(value)))
                at = line.find(value, at + 1)
                places = self._counted(places)
            if number % _VALUES_A_CHECK == _VALUES_A_CHECK - 1:
                self._check_time()
        for pattern in self._patterns:
            for match in pattern.finditer(line):
                places = self._counted(places)
                spans.append(match.span(1) if pattern.groups and match.span(1) != (-1, -1) else match.span())
        at, has_program = 0, False
        while (match := table.TABLE.search(line, at)) is not None:
            places = self._counted(places)
            group = match.lastindex
            at = match.end()
            if group == table.FORMAT:
                spans.append(match.span())
            elif group == table.PROGRAM:
                has_program = True
            else:
                span, is_secret = self._value(table.KINDS[group], line, at, is_strict=is_strict)
                if is_secret:
                    spans.append(span)
                    at = max(at, span[1])
                elif table.KINDS[group] == OPTION:  # It may be a name: `--password = x`.
                    at = match.start() + 1
        if has_program:
            self._check_time()
            for span in secret_arguments.in_line(line):
                places = self._counted(places)
                spans.append(span)
        return spans

    def _value(self, kind: int, line: bytes, at: int, *, is_strict: bool) -> tuple[Span, bool]:
        start, end, is_quoted = span_of(kind, line, at)
        value = line[start:end]
        if is_placeholder(value) or (kind == OPTION and value.startswith(b"-")):
            return (start, end), False
        return (start, end), is_strict or not is_ordinary(kind, line, (start, end), is_quoted=is_quoted)

    def _counted(self, places: int) -> int:
        if places >= _MOST_PLACES:
            raise OverBudget
        if places % 8 == 0:
            self._check_time()
        return places + 1

    def _check_time(self) -> None:
        if self._clock() > self._until:
            raise OverBudget


def _joined(lines: list[Line]) -> bytes:
    return b"\n".join([line[0] for line in lines])


def _overlap(text: bytes, value: bytes) -> int:
    """Where the end of the text begins to be the start of the value; the text's length if it does not."""
    head = value[:4]
    at = text.find(head, max(0, len(text) - len(value) + 1))
    for _ in range(_OVERLAPS):
        if at < 0 or value.startswith(text[at:]):
            break
        at = text.find(head, at + 1)
    if at >= 0:
        return at
    return next(
        (len(text) - size for size in (3, 2, 1) if text.endswith(value[:size]) and size < len(value)), len(text)
    )


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _without(text: bytes, spans: Iterable[Span]) -> bytes:
    parts, at = [], 0
    for start, end in spans:
        parts += [text[at:start], _REDACTED]
        at = end
    return b"".join([*parts, text[at:]])
