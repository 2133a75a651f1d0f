"""Secrets in the arguments of well-known programs: `curl -u user:X`, `mysql -pX`, `echo X | docker login …`.

The words may come from an argument list or from a line of shell, such as one that `set -x` prints.
"""

from __future__ import annotations

import re

from nodes.core.secret_value import is_placeholder

TYPE_CHECKING = False  # Type checkers know this name; importing `typing` would cost the shim memory and start-up time.
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WHOLE, AFTER_COLON, AFTER_PERCENT, JOINED, COOKIE = range(5)

_CURL = {"-u": AFTER_COLON, "--user": AFTER_COLON, "-U": AFTER_COLON, "--proxy-user": AFTER_COLON}
_CURL |= {"-b": COOKIE, "--cookie": COOKIE}
_MYSQL = {"-p": JOINED}
_LDAP = {"-w": WHOLE}
_LOGIN = {"-p": WHOLE}
_ARCHIVE = {"-P": WHOLE}
_MONGO = {"-p": WHOLE}
# Program → word that must come first, then its options. JOINED: only in one word with the option.
_OPTIONS: dict[bytes, tuple[bytes, dict[bytes, int]]] = {
    program: (first, {option.encode(): kind for option, kind in options.items()})
    for programs, first, options in (
        (b"curl", b"", _CURL),
        (b"http https xh", b"", {"-a": AFTER_COLON, "--auth": AFTER_COLON}),
        (b"mysql mysqldump mysqladmin mysqlimport mysqlsh mariadb mariadb-dump mariadb-admin", b"", _MYSQL),
        (b"sshpass", b"", {"-p": WHOLE}),
        (b"docker podman nerdctl buildah skopeo helm oras crane", b"login", _LOGIN),
        (b"az oc", b"login", _LOGIN),
        (b"redis-cli valkey-cli", b"", {"-a": WHOLE, "--pass": WHOLE}),
        (b"openssl", b"", {"-k": WHOLE, "-pass": AFTER_COLON, "-passin": AFTER_COLON, "-passout": AFTER_COLON}),
        (b"mongo mongosh mongodump mongorestore", b"", _MONGO),
        (b"sqlcmd", b"", {"-P": WHOLE}),
        (b"smbclient", b"", {"-U": AFTER_PERCENT}),
        (b"ldapsearch ldapadd ldapmodify ldappasswd", b"", _LDAP),
        (b"zip unzip", b"", _ARCHIVE),
        (b"7z 7za", b"", {"-p": JOINED}),
    )
    for program in programs.split()
}
PROGRAMS = (*_OPTIONS, b"chpasswd")
_PRINTERS = (b"echo", b"printf")
_READERS = (b"--password-stdin", b"--passphrase-stdin", b"--stdin", b"--with-token", b"chpasswd")
# Options of curl without a value, which may stand before the one with a secret in the same word: `-sSLu`.
_CURL_FLAGS = re.compile(rb"-[#0-46BGIJLMNOSZfgijklnpqsv]++(?=[A-Za-z])")
_SUDO_READS = re.compile(rb"-[AbEeHiKklnPSsVv]*S[AbEeHiKklnPSsVv]*")
_ENDS = (b"|", b"||", b"&", b"&&", b";", b"(", b")")

_WORD = re.compile(
    rb"""(?:[^\s"'\\|;&()<>]++|\\.|"(?:[^"\\]++|\\.)*+(?:"|$)|'[^']*+(?:'|$)|["'\\])++|\|\|?|&&?|<<<|[;()<>]""",
)

Found = tuple[int, int, int]
"""(index of the word, start in it, end in it)"""


def in_line(text: bytes) -> list[tuple[int, int]]:
    """Spans of the secrets in a line of shell."""
    places = [match.span() for match in _WORD.finditer(text)]
    words = [text[start:end] for start, end in places]
    return [(places[index][0] + start, places[index][0] + end) for index, start, end in in_words(words)]


def in_words(words: list[bytes]) -> Iterator[Found]:
    """The secrets among these words."""
    program = b""
    options: dict[bytes, int] = {}
    needs = b""
    pending: int | None = None  # The previous option's kind, if this word is its value.
    printed: list[int] = []  # Words that echo printed into the pipe.
    piped: list[int] = []
    for index, word in enumerate(words):
        if word in _ENDS:
            piped = printed if word == b"|" else []
            program, options, pending, printed, needs = b"", {}, None, [], b""
            continue
        name = word.rpartition(b"/")[2]
        reads = word in _READERS or (program == b"sudo" and _SUDO_READS.fullmatch(word) is not None)
        if reads or name == b"chpasswd":
            yield from _printed(words, piped, is_account=not word.startswith(b"-"))
            piped = []
        if word == b"<<<":
            pending = WHOLE if any(one in _READERS for one in words[max(0, index - 20) : index]) else None
            continue
        if pending is not None:
            kind, pending = pending, None
            yield from _value(index, word, 0, kind)
            continue
        if program in _PRINTERS:
            printed.append(index)
        elif name in _PRINTERS or name == b"sudo":
            program = name
        elif name in _OPTIONS:
            program, (needs, options) = name, _OPTIONS[name]
        elif needs:
            needs = b"" if word == needs else needs
        elif options and word.startswith(b"-"):
            option, separator, _ = word.partition(b"=")
            flags = _CURL_FLAGS.match(word) if program == b"curl" else None
            at = flags.end() - 1 if flags else 0  # Of what takes the place of the dash.
            short = b"-" + word[at + 1 : at + 2]
            if word in options:
                pending = options[word] if options[word] != JOINED else None
            elif separator and option in options:
                yield from _value(index, word, len(option) + 1, options[option])
            elif short in options and not word.startswith(b"--"):
                if at and len(word) == at + 2:
                    pending = options[short]
                else:
                    yield from _value(index, word, at + 2, options[short])


def _printed(words: list[bytes], indexes: Iterable[int], *, is_account: bool) -> Iterator[Found]:
    for index in indexes:
        if not words[index].startswith(b"-"):
            yield from _value(index, words[index], 0, AFTER_COLON if is_account else WHOLE)


def _value(index: int, word: bytes, start: int, kind: int) -> Iterator[Found]:
    end = len(word)
    if word[start : start + 1] in (b'"', b"'"):
        quote = word[start : start + 1]
        start += 1
        end -= 1 if end > start and word.endswith(quote) else 0
    if kind in (AFTER_COLON, AFTER_PERCENT, COOKIE):
        mark = {AFTER_COLON: b":", AFTER_PERCENT: b"%", COOKIE: b"="}[kind]
        at = word.find(mark, start)
        if at < 0:
            return
        start = at + 1
    if start < end and not is_placeholder(word[start:end]):
        yield index, start, end
