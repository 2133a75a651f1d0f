r"""What a secret looks like: one table for output, command lines, process trees and evidence.

RE2 runs it (re2, https://github.com/google/re2/wiki/Syntax): one pass over the text, whatever it contains, so no text
makes the search slow. RE2 has no look-around; what depends on the value is decided by `nodes.core.secret_value`.

A *format* is a key that is known by its own shape. An *introduction* is text that a secret follows: a name with `=`
or `:`, a header, an option. The forms are those that the vendors document; gitleaks and detect-secrets list them too.
Neither may match across lines.
"""

from __future__ import annotations

import re2

from nodes.core.secret_arguments import PROGRAMS
from nodes.core.secret_names import BYTES, CHINESE, LOUD, PERHAPS_NAMES, SHORT, SUFFIX, SURE_NAMES, options
from nodes.core.secret_value import (
    ELEMENT,
    HEADER,
    OPTION,
    PASSWORD_IN_URL,
    PERHAPS,
    QUOTED,
    REST_OF_LINE,
    SENTENCE,
    SURE,
)

TYPE_CHECKING = False  # Type checkers know this name; importing `typing` would cost the shim memory and start-up time.
if TYPE_CHECKING:
    from typing import Any

_COLOR = rb"(?:\x1b\[[0-9;]*[mK])"
KEY_BLOCK = (
    rb"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    rb"(?:.*?-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----|.*)"
)
# Each begins where a word begins, after a colour, or after `bot` in Telegram's URLs.
FORMATS: dict[str, bytes] = {
    "AWS key id": rb"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b",
    "AWS Bedrock": rb"ABSK[A-Za-z0-9+/]{80,}={0,2}",
    "GitHub": rb"gh[opsru]_[A-Za-z0-9]{20}[\w.-]*",
    "GitHub fine-grained": rb"github_pat_\w{20,}",
    "GitLab": rb"gl(?:pat|dt|rtr?|cbt|ptt|ft|imt|agent|oas|soat|ffct|wt)-[\w-]{20,}(?:\.[\w-]+)*",
    "GitLab registration": rb"GR1348941[\w-]{20,}",
    "npm": rb"npm_[A-Za-z0-9]{36,}",
    "PyPI": rb"pypi-Ag[\w-]{40,}",
    "Docker": rb"dckr_[op]at_[\w-]{20,}",
    "RubyGems": rb"rubygems_[a-f0-9]{40,}",
    "Google API": rb"AIza[\w-]{35,}",
    "Google Gemini": rb"AQ\.Ab[\w-]{30,}",
    "Google OAuth": rb"ya29\.[\w.-]{20,}",
    "Google client": rb"GOCSPX-[\w-]{20,}",
    "Google refresh": rb"1//0[\w-]{30,}",
    "Azure client": rb"[\w~.-]{3}[0-9]Q~[\w~.-]{31,}",
    "Azure DevOps": rb"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}\b",
    "Azure service": rb"[A-Za-z0-9]{52}JQQJ9[A-Za-z0-9]{20,}={0,2}",
    "Stripe": rb"(?:[sr]k_(?:live|test|prod)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/]{20,}={0,2})",
    "Slack": rb"xox[a-z](?:\.xox[bp])?-[\w-]{10,}|xapp-[0-9]-[\w-]{10,}",
    "Slack webhook": rb"hooks\.slack\.com/(?:services|workflows|triggers)/[\w/+-]{20,}",
    "Discord": rb"discord(?:app)?\.com/api/webhooks/[0-9]{10,}/[\w-]{30,}",
    "Telegram": rb"[0-9]{8,10}:A[\w-]{34}",
    "Anthropic, OpenAI": rb"sk-(?:(?:ant|proj|svcacct|admin|or|lf)-[\w-]{16,}|[A-Za-z0-9]{20}[\w-]*)",
    "Hugging Face": rb"(?:hf|api_org)_[A-Za-z0-9]{30,}",
    "xAI, Groq, Perplexity": rb"(?:xai-|gsk_|pplx-)[A-Za-z0-9]{40,}",
    "Databricks": rb"dapi[a-f0-9]{32}(?:-[0-9])?",
    "DigitalOcean": rb"do[opr]_v1_[a-f0-9]{64}",
    "SendGrid": rb"SG\.[\w-]{16,}\.[\w-]{30,}",
    "Twilio": rb"SK[a-f0-9]{32}\b",
    "HashiCorp Vault": rb"hv[bsr]\.[\w-]{24,}",
    "Terraform": rb"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,}",
    "Shopify": rb"shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}",
    "Atlassian": rb"AT(?:ATT3|CTT3|BB)[\w=-]{24,}",
    "Grafana": rb"gl(?:sa|c)_[\w+/-]{32,}={0,2}",
    "Linear, Postman": rb"(?:lin_api_[A-Za-z0-9]{40}|PMAK-[a-f0-9]{24}-[a-f0-9]{34})",
    "Alibaba": rb"LTAI[A-Za-z0-9]{16,24}\b",
    "age": rb"AGE-SECRET-KEY-1[A-Z0-9]{50,}",
    "JSON web token": rb"eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)*",
}
# A word at the end of unfinished output that starts like this, or is the start of it, may become such a key.
OPENERS = tuple(
    (
        b"AKIA ASIA ABIA ACCA A3T ABSK ghp_ gho_ ghs_ ghr_ ghu_ github_pat_ GR1348941 npm_ pypi-Ag dckr_ "
        b"rubygems_ AIza AQ. ya29. GOCSPX- sk_ rk_ whsec_ xox xapp- sk- hf_ api_org_ xai- gsk_ pplx- dapi doo_ "
        b"dop_ dor_ SG. SK hvb. hvs. hvr. shpat_ shpca_ shppa_ shpss_ ATATT3 ATCTT3 ATBB glsa_ glc_ lin_api_ "
        b"PMAK- LTAI AGE-SECRET-KEY-1 eyJ bot hooks. glpat- gldt- glrt- glrtr- glcbt- glptt- glft- glimt- "
        b"glagent- gloas- glsoat- glffct- glwt- discord"
    ).split()
)

_QUOTE = _COLOR + rb"""*\\?["'`]?"""
_SEPARATOR = rb"[\])]?" + _COLOR + rb"*[ \t]*(?:=>|:=|=|:|" + "：|＝".encode() + rb")" + _COLOR + rb"*[ \t]*"
_AFTER = SUFFIX + _QUOTE + _SEPARATOR

# What stands before a secret. The kind says how to find the value's end and how sure it is.
INTRODUCTIONS: dict[str, tuple[int, bytes]] = {
    "authorization header": (
        HEADER,
        rb"(?i)authorization"
        + _QUOTE
        + rb"[ \t]*[:=][ \t]*"
        + _QUOTE
        + rb"(?:(?:basic|bearer|token|apikey|bot)[ \t]+)?",
    ),
    "bearer": (HEADER, rb"\b[Bb]earer[ \t]+"),
    "cookie": (
        REST_OF_LINE,
        rb"(?i)\b(?:set-)?cookie" + _QUOTE + rb"[ \t]*[:=][ \t]*" + _QUOTE + rb"[\w.$!%&*+^|~-]+=",
    ),
    "password in a URL": (PASSWORD_IN_URL, rb"://[^\s/:@]*:"),
    "signature in a URL": (HEADER, rb"[?&](?:sig|X-Amz-Signature|X-Goog-Signature)="),
    "npmrc": (SURE, rb"\b_auth[ \t]*="),
    "netrc": (OPTION, rb"\blogin[ \t]+\S+[ \t]+password[ \t]+"),
    "element": (ELEMENT, rb"(?i)<[\w:.-]*(?:" + SURE_NAMES + rb"|" + PERHAPS_NAMES + rb")>"),
    "option": (
        OPTION,
        rb"(?:^|[\s\"'])--?[\w-]*(?:(?i:" + SURE_NAMES + rb"|" + PERHAPS_NAMES + rb")|pass|pwd)" + SUFFIX + rb"[ \t]+",
    ),
    "name": (SURE, rb"(?:(?i:" + SURE_NAMES + rb")|" + SHORT + rb"|\b(?:[Pp]wd|PWD))" + _AFTER),
    "Chinese name": (SURE, CHINESE + _QUOTE + rb"(?:" + _SEPARATOR + rb"|[ \t]*" + "(?:是|为)".encode() + rb"[ \t]*)"),
    "variable": (SURE, LOUD + SUFFIX + rb"="),
    "word": (PERHAPS, rb"(?i:" + PERHAPS_NAMES + rb")" + _AFTER),
    "docker auth": (PERHAPS, rb"\"auth\"[ \t]*:[ \t]*"),
    "sentence": (
        SENTENCE,
        rb"(?i)\b(?:password|passphrase)[ \t]+(?:(?:(?:is|was)[ \t]+(?:generated|set|created)[ \t]+)?for[ \t]+[^\s:]+"
        rb"(?:[ \t]+[^\s:]+)?(?:[ \t]+is:?|:)|is:?)[ \t]+",
    ),
    # After the names: `password = 'x'` also starts like this.
    "SQL": (QUOTED, rb"(?i)\b(?:identified[ \t]+(?:with[ \t]+\S+[ \t]+)?by|password)[ \t]+"),
}

# Whose arguments `nodes.core.secret_arguments` looks through.
_PROGRAM = (
    rb"(?:^|[\s/;|&(\"'`])(?:" + b"|".join(sorted(PROGRAMS, reverse=True)) + rb")(?:[ \t]|(?m:$))"
    rb"|--(?:(?:password-)?stdin|with-token)\b|\bsudo[ \t]"
)


# Groups: 1 a format, then the introductions in their order, then a program. The leftmost match wins, then the first.
_FORMAT = KEY_BLOCK + rb"|(?:\b|bot|" + _COLOR + rb")(?:" + b"|".join(FORMATS.values()) + rb")"
_GROUPS = (_FORMAT, *[b"(?:" + pattern + b")" for _, pattern in INTRODUCTIONS.values()], _PROGRAM)
FORMAT, PROGRAM = 1, len(_GROUPS)
KINDS = dict(enumerate([kind for kind, _ in INTRODUCTIONS.values()], start=2))
TABLE = re2.compile(b"|".join(b"(" + group + b")" for group in _GROUPS), BYTES)


def own_pattern(pattern: str) -> Any:
    """A project's own pattern. Raises `re2.error` for what RE2 cannot run in linear time or in little memory."""
    own = options(re2.Options.Encoding.UTF8)
    own.max_mem = 1 << 20
    return re2.compile(pattern.encode(), own)
