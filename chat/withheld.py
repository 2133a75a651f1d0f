"""What conversations withhold from people who may not run commands: the commands that an engine proposes.

Everyone may read a conversation, so messages contain only the public form. Reads by people who may run commands
(`sees_commands`) have the rest; whoever approves a command reads it there first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chat.phrases import Phrase, phrase, render, with_phrase
from chat.tools.registry import TOOLS


def is_private(tool_name: str) -> bool:
    """Whether calls of this tool contain a command."""
    tool = TOOLS.get(tool_name)
    return tool is not None and any(parameter.is_private for parameter in tool.parameters.values())


def public_arguments(tool_name: str, arguments: Any) -> Any:
    """The arguments without the command; of a call with such a tool, only those that the tool declares."""
    if not is_private(tool_name):
        return arguments
    kept = TOOLS[tool_name].parameters
    given = arguments if isinstance(arguments, Mapping) else {}
    return {name: value for name, value in given.items() if name in kept and not kept[name].is_private}


def public_summary(arguments: Any) -> Phrase:
    """The action without the command."""
    node = arguments.get("node") if isinstance(arguments, Mapping) else None
    return phrase("act.some-command", node=node if isinstance(node, str) else phrase("act.any-node"))


def public_step(tool_name: str, fields: Mapping[str, Any], language: str | None) -> dict[str, Any]:
    """The `arguments`, `summary` and `phrases` of a call or its audit, without the command."""
    if not is_private(tool_name):
        return dict(fields)
    shown = dict(fields)
    if "arguments" in shown:
        shown["arguments"] = public_arguments(tool_name, shown["arguments"])
    if shown.get("summary"):
        said = public_summary(shown.get("arguments"))
        shown |= {"summary": render(said, language), "phrases": with_phrase(shown["phrases"], "summary", said)}
    return shown


def public_request(body: bytes) -> bytes:
    """A request to a model, exactly as sent but for the commands in it."""
    request = json.loads(body)
    is_changed = False
    for message in request.get("messages") or ():
        blocks = message["content"] if isinstance(message["content"], list) else ()
        for block in blocks:
            if block.get("type") == "tool_use" and is_private(str(block.get("name"))):
                block["input"] = public_arguments(block["name"], block.get("input"))
                is_changed = True
    return json.dumps(request, ensure_ascii=False).encode() if is_changed else body
