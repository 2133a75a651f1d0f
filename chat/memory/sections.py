"""Splits a request's body into sections for display: system, tools, memory, summary, messages, tool results. Pure.

Tokens are estimated by length and scaled so that their sum is the true total, if the endpoint has reported it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

NAMES = ("system", "tools", "memory", "summary", "messages", "results")
_CHARACTERS_A_TOKEN = 4
_SHOWN_CHARACTERS = 20_000


def sections_of(body: bytes, usage: Mapping[str, int]) -> list[dict[str, Any]]:
    """The sections with their tokens. `usage`: as `Turn.usage`; if empty, the estimates are not scaled."""
    request = json.loads(body)
    texts: dict[str, list[str]] = {name: [] for name in NAMES}
    texts["system"].append(_written(request.get("system") or ""))
    texts["tools"] = [_written(tool) for tool in request.get("tools") or ()]
    memory_calls: set[str] = set()
    for message in request.get("messages") or ():
        for block in _blocks(message):
            texts[_section(block, memory_calls)].append(f"{message['role']}: {_written(block)}")
    joined = {name: "\n".join(part for part in parts if part) for name, parts in texts.items()}
    total = sum(usage.get(name, 0) for name in ("input", "cacheRead", "cacheWrite"))
    tokens = _scaled({name: len(text.encode()) / _CHARACTERS_A_TOKEN for name, text in joined.items()}, total)
    return [
        {"name": name, "tokens": tokens[name], "text": text[:_SHOWN_CHARACTERS], "isCut": len(text) > _SHOWN_CHARACTERS}
        for name, text in joined.items()
    ]


def _blocks(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    content = message["content"]
    yield from [{"type": "text", "text": content}] if isinstance(content, str) else content


def _section(block: Mapping[str, Any], memory_calls: set[str]) -> str:
    if block["type"] == "tool_use" and block.get("name") == "memory":
        memory_calls.add(block["id"])
        return "memory"
    if block["type"] == "tool_result":
        return "memory" if block["tool_use_id"] in memory_calls else "results"
    text = block.get("text")
    if not isinstance(text, str):
        return "messages"
    if text.startswith("<memory>"):
        return "memory"
    return "summary" if text.startswith(("<earlier>", "<done>")) else "messages"


def _written(part: Any) -> str:
    return part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)


def _scaled(estimates: Mapping[str, float], total: int) -> dict[str, int]:
    """Whole numbers whose sum is exactly `total`, if it is known."""
    weight = sum(estimates.values())
    if not total or not weight:
        return {name: round(count) for name, count in estimates.items()}
    shares = {name: count * total / weight for name, count in estimates.items()}
    whole = {name: int(share) for name, share in shares.items()}
    left = total - sum(whole.values())
    for name in sorted(shares, key=lambda name: whole[name] - shares[name])[:left]:
        whole[name] += 1
    return whole
