"""Sentences about the memory in English and Chinese, for the offline engine: remember, forget, recall. Pure.

Only a sentence that starts with such a phrase matches; the rules for actions handle the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_POLITE = r"(?:please\s+|请|帮我|麻烦你?)*"
_REMEMBER = re.compile(rf"{_POLITE}(?:remember(?:\s+that|\s*:|,)|记住|记下|记得)[\s:,\uff0c\uff1a]*(.+)", re.I | re.S)
_FORGET = re.compile(
    rf"{_POLITE}(?:forget(?:\s+that|\s+about|\s*:)?(?=\s)|忘记|忘掉|忘了)[\s:,\uff0c\uff1a]*(.+)", re.I | re.S
)
_RECALL = re.compile(
    r"(?:what\s+do\s+you\s+(?:remember|know\s+by\s+heart)|show\s+(?:me\s+)?(?:the\s+|your\s+)?memory"
    r"|你(?:都)?(?:还)?(?:记得|记住了?)(?:些)?什么|(?:查看|显示)(?:你的)?记忆)\s*[?？.。!！]*",
    re.I,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySentence:
    kind: str  # "remember", "forget", "recall"
    text: str = ""


def read_sentence(text: str) -> MemorySentence | None:
    text = text.strip()
    if _RECALL.fullmatch(text):
        return MemorySentence(kind="recall")
    for kind, pattern in (("remember", _REMEMBER), ("forget", _FORGET)):
        if found := pattern.fullmatch(text):
            return MemorySentence(kind=kind, text=" ".join(found[1].split()))
    return None
