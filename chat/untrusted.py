"""Prepares untrusted text for engines: output, messages, arguments and names, which strangers may have written.

Everything in a tool's result is in one envelope that says so, capped before it is encoded, and without hidden
characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from nodes.domain.unseen import without_unseen

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_TEXT_CHARACTERS = 2_000  # Of a text that a tool does not mark and cap itself, such as a name.
_LEFT_OUT = "LeftOut"
# Characters: of a shortened text at least, and more than the note about what is missing needs.
_TEXT_LEFT = 500
_NOTE = 200


def clean(text: str, limit: int) -> str:
    """Shortens long text to its head and tail, with the number of missing lines, or characters of a single line."""
    text = without_unseen(_ESCAPES.sub("", text.replace("\r\n", "\n")))
    if len(text) <= limit:
        return text
    head, tail = limit // 3, limit - limit // 3
    first, last = text[:head], text[-tail:]
    start, end = first.rfind("\n"), last.find("\n")
    if start < 0 or end < 0 or end == len(last) - 1:
        return f"{first}\n[… {len(text) - limit} of {len(text)} characters left out …]\n{last}"
    first, last = first[:start], last[end + 1 :]
    count = text.count("\n") + 1
    left_out = count - (first.count("\n") + 1) - (last.count("\n") + 1)
    return f"{first}\n[… {left_out} of {count} lines left out …]\n{last}"


def marked(source: str, text: str, limit: int) -> dict[str, str]:
    """Marks text as untrusted. Engines get such text only in this form."""
    return {"source": source, "trust": "untrusted", "text": clean(text, limit)}


def tagged(tag: str, value: object) -> str:
    """JSON in a tag, for a message. No text in it can end the tag."""
    return f"<{tag}>{json.dumps(value, ensure_ascii=False, sort_keys=True).replace('<', chr(92) + 'u003c')}</{tag}>"


def plain(text: str) -> str:
    """Escapes untrusted text for our own Markdown."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()<>#+!|~" else c for c in text.replace("\n", " "))


def encoded(result: Mapping[str, Any], limit: int, *, source: str = "tool") -> str:
    """A tool's result for the engine: JSON in the envelope, at most `limit` characters.

    What does not fit is left out as whole items at the end of a list, whose `…LeftOut` is their number, or as lines of
    a text, which says so itself.
    """
    value = {"source": source, "trust": "untrusted", **_cleaned(result)}
    while len(text := _json(value)) > limit:
        _shorten(value, len(text) - limit)
    return text


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cleaned(value: Any) -> Any:
    """A copy without hidden characters."""
    if isinstance(value, str):
        return clean(value, _TEXT_CHARACTERS)
    if isinstance(value, Mapping):
        # The text of a marked one is already cleaned and capped.
        is_marked = value.get("trust") == "untrusted"
        return {name: part if is_marked else _cleaned(part) for name, part in value.items()}
    return [_cleaned(part) for part in value] if isinstance(value, list | tuple) else value


def _shorten(value: dict[str, Any], excess: int) -> None:
    """Takes at least `excess` characters off the longest text if something is left of it, else off the longest list."""
    parts = [(len(_json(holder[name])), number, holder, name) for number, (holder, name) in enumerate(_parts(value))]
    texts = [part for part in parts if isinstance(part[2][part[3]], str)]
    lists = [part for part in parts if isinstance(part[2][part[3]], list) and part[2][part[3]]]
    if texts and max(texts)[0] - excess > _TEXT_LEFT:
        size, _, holder, name = max(texts)
        holder[name] = clean(holder[name], len(holder[name]) * (size - excess - _NOTE) // size)
        return
    if not lists:
        raise AssertionError("what is neither a text nor a list is short")
    _, _, holder, name = max(lists)
    items, taken = holder[name], -_NOTE
    while items and taken < excess:
        taken += len(_json(items.pop())) + 2
        holder[name + _LEFT_OUT] = holder.get(name + _LEFT_OUT, 0) + 1


def _parts(value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Every text and list that is a field."""
    if isinstance(value, dict):
        for name, part in list(value.items()):
            if isinstance(part, str | list):
                yield value, name
            yield from _parts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _parts(part)
