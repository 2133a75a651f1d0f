"""Names that introduce a secret: in the environment, in output, as options. The words are the same everywhere."""

from __future__ import annotations

import re2


def options(encoding: re2.Options.Encoding) -> re2.Options:
    made = re2.Options()
    made.encoding = encoding
    made.log_errors = False
    return made


BYTES = options(re2.Options.Encoding.LATIN1)

# Names whose value is a secret wherever they stand. An environment variable's name need only contain one of these.
SURE_NAMES = (
    rb"passw(?:or)?d|passwort|passphrase|passcode|api[_. -]?key|access[_. -]?key|secret[_. -]?key|private[_. -]?key"
    rb"|(?:encryption|signing|account|master|shared)[_. -]?key|client[_-]key[_-]data"
    rb"|(?:access|auth|refresh|bearer|session|security|id|api|bot|deploy|csrf|xsrf)[_. -]?token"
    rb"|(?:client|consumer|app|webhook|jwt|shared)[_. -]?secret|secret[_. -]?access[_. -]?key"
)
# Words that ordinary text uses too; followed by an ordinary word, they introduce none.
PERHAPS_NAMES = rb"token|secret|credentials?"
CHINESE = "(?:密码|口令|密钥|私钥|令牌)".encode()
# Short for a password: part of a longer word ("compass", "bypass") or a count ("pass: 12") unless separated.
SHORT = rb"[A-Z0-9]_(?:PASS|PWD|PSW|PW)|[a-z0-9][_-](?:pass|pwd|psw)|[a-z]Pass"
LOUD = rb"(?:\b|_)(?:TOKEN|SECRET|CREDENTIALS?)"  # As in the environment.

SUFFIX = (
    rb"(?:[_-]?[0-9]{1,2}|_(?:base|value|new|old|current|prod|dev|test|staging)"
    rb"|_(?:BASE|NEW|OLD|PROD|DEV|TEST|STAGING))?"
)

NAME = re2.compile(rb"(?i:" + SURE_NAMES + rb"|" + PERHAPS_NAMES + rb")|(?:" + SHORT + rb")$|" + CHINESE, BYTES)
