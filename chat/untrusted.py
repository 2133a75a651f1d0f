"""Prepares untrusted text (output, messages and names of tasks): marked, capped, and without hidden characters."""

from __future__ import annotations

import json
import re
from typing import Any

from nodes.domain.unseen import without_unseen

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


def clean(text: str, limit: int) -> str:
    """Shortens long text to its head and tail, with the number of missing characters."""
    text = without_unseen(_ESCAPES.sub("", text.replace("\r\n", "\n")))
    if len(text) <= limit:
        return text
    head = limit // 3
    tail = limit - head
    return f"{text[:head]}\n[… {len(text) - limit} of {len(text)} characters left out …]\n{text[-tail:]}"


def marked(source: str, text: str, limit: int) -> dict[str, str]:
    """Marks text as untrusted. Engines get such text only in this form."""
    return {"source": source, "trust": "untrusted", "text": clean(text, limit)}


def plain(text: str) -> str:
    """Escapes untrusted text for our own Markdown."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+!|~" else c for c in text.replace("\n", " "))


def encoded(result: Any, limit: int) -> str:
    """A tool's result for the engine: JSON, at most `limit` characters."""
    text = json.dumps(result, ensure_ascii=False)
    return text if len(text) <= limit else clean(text, limit)
