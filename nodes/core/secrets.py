"""Redacts secrets in text that people, journals and models see. The shim loads this too, so it imports only `re`.

It hides the values of variables with secret-looking names, and keys in well-known formats. It does not find encoded
values (base64, percent-encoding) or keys in formats that are not listed here.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False  # Type checkers know this name; importing `typing` would cost the shim memory and start-up time.
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Line = tuple[bytes, int]

REDACTED = "[redacted]"
_REDACTED = REDACTED.encode()
_SHORTEST = 6  # Shorter values are ordinary words that appear everywhere.
_BLOCK_LINES = 200  # A key block without an end line hides at most this many lines.

_WORDS = r"TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIAL"
_NAME = re.compile(_WORDS, re.IGNORECASE)
_ASSIGNED = re.compile(
    rb"((?:[\w-]*(?:" + _WORDS.replace("_?", "[_-]?").encode() + rb")[\w-]*)(?:=|:\s*|\s+)[\"']?)[^\s\"']{6,}",
    re.IGNORECASE,
)
_BEGIN, _END = b"-----BEGIN ", b"-----END "
_KEY_END = b"PRIVATE KEY-----"
# Group 1 is kept. A key block that does not end on its line continues on the next lines.
_FORMATS = (
    rb"()-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----(?:.*?-----END [A-Z ]{0,20}PRIVATE KEY-----|.*)"
    rb"|()\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    rb"|()\b(?:gh[opsru]_[A-Za-z0-9]{20,}|github_pat_\w{20,})"
    rb"|()\bsk-[\w-]{16,}"
    rb"|()\bxox[a-z]-[\w-]{10,}"
    rb"|()\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"
    rb"|(\b[Bb]earer\s+)[\w.~+/=-]{8,}"
    rb"|([Aa]uthorization:\s*[Bb]asic\s+)[\w+/=]{6,}"
    rb"|(://[^\s/:@]*:)[^\s/@]+(?=@)"
)
# Every line with such a key contains one of these. Most output contains none and skips the slow search.
_SIGNS = (b"sk-", b"eyJ", b"AKIA", b"ASIA", b"xox", b"earer", b"asic ", b"PRIVATE KEY")
_GITHUB = (b"ghp_", b"gho_", b"ghs_", b"ghr_", b"ghu_", b"github_pat_")
_OPENERS = (b"AKIA", b"ASIA", *_GITHUB, b"sk-", b"xox", b"eyJ")
_TOKEN_TAIL = re.compile(rb"[\w.-]+\Z")
_OPEN_TAIL = re.compile(rb"(?:\b[Bb]earer\s+\S*|[Bb]asic\s+\S*|://[^\s/:@]*:[^\s/@]*|-----BEGIN [^\n]*)\Z")


def is_secret_name(name: str) -> bool:
    return _NAME.search(name) is not None


def secret_values(environment: Mapping[str, str]) -> tuple[bytes, ...]:
    """Secret values, longest first, so that no value hides only part of another; each line of a value separately."""
    found = {
        line.strip().encode("utf-8", "surrogateescape")
        for name, value in environment.items()
        if is_secret_name(name)
        for line in value.splitlines()
    }
    return tuple(sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True))


def hide(text: str, environment: Mapping[str, str]) -> str:
    """Redacts text of one or more lines."""
    lines: list[Line] = [(line, 0) for line in text.encode("utf-8", "surrogateescape").split(b"\n")]
    hidden = Redactor(secret_values(environment)).lines(0, lines)
    return b"\n".join([line for line, _ in hidden]).decode("utf-8", "replace")


def hide_in_command(text: str, environment: Mapping[str, str]) -> str:
    """Redacts a command line, including what follows `--password`, `API_KEY=` and similar names."""
    shown = _ASSIGNED.sub(rb"\1" + _REDACTED, hide(text, environment).encode())
    return shown.decode("utf-8", "replace")


def hide_in_argv(argv: Iterable[str], environment: Mapping[str, str]) -> list[str]:
    """Redacts each argument; the argument after `--password` is replaced entirely."""
    shown: list[str] = []
    is_value = False
    for word in argv:
        shown.append(REDACTED if is_value and not word.startswith("-") else hide_in_command(word, environment))
        is_value = word.startswith("-") and "=" not in word and is_secret_name(word.replace("-", "_"))
    return shown


class Redactor:
    """Redacts streams that arrive in pieces. Each stream has its own open key block."""

    def __init__(self, values: Iterable[bytes] = ()) -> None:
        self._values = tuple(values)
        known = b"|".join(b"()" + re.escape(value) for value in self._values)
        self._pattern = re.compile((known + b"|" if known else b"") + _FORMATS)
        self._signs = (*self._values, *_SIGNS)
        self._blocks: dict[int, int] = {}  # Stream → lines left in its open key block.

    def lines(self, stream: int, lines: list[Line]) -> list[Line]:
        """The same lines with their secrets redacted."""
        if not lines:
            return lines
        joined = b"\n".join([line[0] for line in lines])
        has_cut = len(joined) > 8192 and any([line[1] for line in lines])
        if not has_cut and not self._blocks.get(stream) and not self._is_suspect(joined):
            return lines
        return [(self._line(stream, self._closed(text) if cut else text), cut) for text, cut in lines]

    def skip(self, stream: int, data: bytes) -> None:
        """Takes note of dropped output: a key block may begin or end in it."""
        if _KEY_END in data:
            self._blocks[stream] = _BLOCK_LINES if data.rfind(_BEGIN) > data.rfind(_END) else 0

    def held_from(self, text: bytes) -> int:
        """The offset at which the end of an unfinished line may start a secret; the line's length if it does not."""
        start = len(text)
        for value in (*self._values, _BEGIN):
            for size in range(min(len(value) - 1, len(text)), 0, -1):
                if text.endswith(value[:size]):
                    start = min(start, len(text) - size)
                    break
        token = _TOKEN_TAIL.search(text[-1024:])
        if token is not None:
            word = token.group()
            if any(word.startswith(opener) or opener.startswith(word) for opener in _OPENERS):
                start = min(start, len(text) - len(word))
        opened = _OPEN_TAIL.search(text)
        if opened is not None:
            start = min(start, opened.start())
        # A complete secret may end with the same bytes that it starts with.
        for match in self._pattern.finditer(text):
            if match.start() < start < match.end():
                start = match.start()
        return start

    def _is_suspect(self, text: bytes) -> bool:
        for sign in self._signs:
            if sign in text:
                return True
        if b"@" in text and b"://" in text:
            return True
        return b"_" in text and any([sign in text for sign in _GITHUB])

    def _closed(self, text: bytes) -> bytes:
        """A truncated line: the removed part may have been the rest of a secret."""
        start = self.held_from(text)
        return text if start == len(text) else text[:start] + _REDACTED

    def _line(self, stream: int, text: bytes) -> bytes:
        left = self._blocks.get(stream, 0)
        if left:
            end = text.find(_END)
            self._blocks[stream] = left - 1 if end < 0 else 0
            if end < 0:
                return _REDACTED
            text = _REDACTED + text[end:].partition(_KEY_END)[2]
        return self._pattern.sub(self._replacement(stream), text)

    def _replacement(self, stream: int) -> Callable[[re.Match[bytes]], bytes]:
        def replace(match: re.Match[bytes]) -> bytes:
            found = match.group()
            if found.startswith(_BEGIN) and _END not in found:
                self._blocks[stream] = _BLOCK_LINES
            kept: bytes = match.group(match.lastindex or 0)
            return kept + _REDACTED

        return replace
