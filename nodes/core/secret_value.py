"""Where the secret behind a name, header or option ends, and whether it is one.

`password: required`, `token = next_token()` and `secret: string;` introduce none. A command line is *strict*: what
stands there is the value, even if it is an ordinary word.
"""

from __future__ import annotations

import re

from nodes.core.secret_names import NAME

Span = tuple[int, int]

# What introduced the value says how to find its end, and how sure it is.
SURE, PERHAPS, OPTION, HEADER, REST_OF_LINE, PASSWORD_IN_URL, ELEMENT, QUOTED, SENTENCE = range(9)

# A quotation mark, escaped or not, after the prefixes of string literals.
_OPENING = re.compile(rb"""(?:[bBuUrRfF@$]{1,2})?(\\?["'`])""")
_BARE = re.compile(rb"""[^\s"'`]*""")
_HEADER_VALUE = re.compile(rb"[\w.~+/=%:!@#$*-]*")
_REST = re.compile(rb"""[^"'`\r]*""")
_ELEMENT = re.compile(rb"[^<]*")
_IN_URL = re.compile(rb"[^\s/]*@")

# Stands for a value that is set elsewhere, or was removed already.
_PLACEHOLDER = re.compile(
    rb"\$\(.*|`.*|\$\{.*|\$[A-Z_][A-Z0-9_]*|\$[0-9@*#?]|\$\$.*|%\(?\w*\)?s|%\w+%|<[^>]*>?|\{\{?[^}]*\}?\}?"
    rb"|[*._?=:-]+|[xX]{3,}|(?:\xe2\x80\xa2)+|[\[(]\w+[\])]|\([a-z]+|\[(?:redacted|withheld)\].*",
    re.DOTALL,
)
_ORDINARY = frozenset(
    b"true false none null nil undefined yes no on off ok empty unset set not missing required optional invalid valid"
    b" incorrect wrong expired failed error changed unchanged updated hidden masked redacted protected default disabled"
    b" enabled unknown anonymous basic bearer digest token negotiate string str bytes text number bool boolean int"
    b" integer any object varchar char files compat systemd stdin prompt auto self this".split()
)
_LETTERS = re.compile(rb"[A-Za-z_]+")
_CODE = re.compile(rb"[&*!]{0,2}[A-Za-z_$][\w.:>-]{0,100}[\[(<{]")  # A call, an index, a generic type.
_PATH_OF_NAMES = re.compile(rb"[A-Za-z_]\w{0,60}(?:(?:\.|->|::)[A-Za-z_]\w{0,60}){1,10}")
_FILE = re.compile(rb"(?:\.{1,2}|~)?/[\w./-]{1,200}\.[a-z]{2,5}")
_NUMBER = re.compile(rb"[0-9.,:%/+-]+")
_HAS_DIGIT = re.compile(rb"[0-9]")
_TRAILING = b".,;:!?)]}>"


def span_of(kind: int, text: bytes, at: int) -> tuple[int, int, bool]:
    """Start and end of the value that begins at `at`, and whether it is quoted. It ends with the text at the latest."""
    if kind == REST_OF_LINE:
        return (*_span(_REST, text, at), False)
    if kind == ELEMENT:
        return (*_span(_ELEMENT, text, at), False)
    if kind == PASSWORD_IN_URL:
        found = _IN_URL.match(text, at)
        return (at, found.end() - 1 if found else at, False)
    opening = _OPENING.match(text, at)
    if opening is None:
        if kind == QUOTED:
            return at, at, False
        return (*_span(_HEADER_VALUE if kind == HEADER else _BARE, text, at), False)
    quote, start = opening.group(1), opening.end()
    end = text.find(quote, start)
    while end > 0 and len(quote) == 1 and text[end - 1 : end] == b"\\" and text[end - 2 : end] != b"\\\\":
        end = text.find(quote, end + 1)
    return start, len(text) if end < 0 else end, True


def _span(pattern: re.Pattern[bytes], text: bytes, at: int) -> Span:
    found = pattern.match(text, at)
    return found.span() if found else (at, at)


def is_placeholder(value: bytes) -> bool:
    return not value or _PLACEHOLDER.fullmatch(value) is not None


def is_ordinary(kind: int, text: bytes, span: Span, *, is_quoted: bool) -> bool:
    """Whether an ordinary line means something other than a secret by this value."""
    start, end = span
    value = text[start : min(end, start + 300)]
    if kind in (REST_OF_LINE, PASSWORD_IN_URL):
        return False
    word = value.strip(_TRAILING + b"&*\"'")
    is_letters = _LETTERS.fullmatch(word) is not None
    if not word or value.startswith((b"=", b":")) or word.lower() in _ORDINARY:
        return True
    if value.startswith(b"-") and text[start - 1 : start] == b":":  # The default of a variable: `${PASSWORD:-…}`.
        return True
    if value.startswith((b"/", b"~")) and text[:start].upper().endswith(b"PWD="):  # A folder.
        return True
    if kind == HEADER:
        # "required", "realm=".
        return len(value) < 6 or bool(
            _LETTERS.fullmatch(word.rstrip(b"=")) and (word.islower() or word.istitle()) and len(word) < 20
        )
    if kind == QUOTED:
        return len(value) < 3
    if kind == SENTENCE:  # "password is case-sensitive", "password is 8-16 characters".
        return len(word) < 6 or _HAS_DIGIT.search(word) is None or _NUMBER.fullmatch(word) is not None
    is_sure = kind != PERHAPS
    if is_quoted or kind == ELEMENT:
        is_sentence = b" " in word and value.endswith((b".", b"!", b"?", b":")) and _is_text(word)
        return len(value) < (3 if is_sure else 6) or is_sentence or (not is_sure and is_letters and len(word) < 12)
    if kind == OPTION and (is_letters or value.startswith(b"-")):
        return True
    if _CODE.match(value) or _PATH_OF_NAMES.fullmatch(word) or _FILE.fullmatch(word):
        return True
    if _NUMBER.fullmatch(value):
        return len(value) < (4 if is_sure else 8)
    if is_letters:
        return _is_ordinary_word(text, span, word, is_sure=is_sure)
    return not is_sure and len(value) < 6


def _is_text(sentence: bytes) -> bool:
    return all(_LETTERS.fullmatch(word.strip(_TRAILING)) for word in sentence.split())


def _is_ordinary_word(text: bytes, span: Span, word: bytes, *, is_sure: bool) -> bool:
    start, end = span
    if not is_sure:
        return len(word) < 16
    if len(word) < 3 or NAME.search(word) is not None:  # password=password, as a program passes it on.
        return True
    before = text[max(0, start - 3) : start]
    if before.endswith((b"= ", b"> ")):  # Code: `password = value`.
        return True
    if before[-1:] in (b" ", b"\t"):  # A sentence: `password: please enter it`.
        return text[end : end + 40].strip()[:1].isalpha()
    return text[start:end] != word and text[start:end].endswith((b")", b"),", b");"))
