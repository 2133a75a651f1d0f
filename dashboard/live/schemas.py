"""The declared messages as a JSON Schema for other programs, and as TypeScript types for the page's script. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from msgspec.json import schema_components

from dashboard.live.contract import ServerMessage

Schema = Mapping[str, Any]

_HEAD = "// Written by `manage.py contract` from the declarations in dashboard/live/contract.py: do not edit.\n"
_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def files() -> dict[str, str]:
    """Every generated file by its path in the repository."""
    return {
        "docs/schemas/server.json": as_text(server_schema()),
        "frontend/src/live/contract.ts": server_types(),
    }


def server_schema() -> dict[str, Any]:
    """docs/schemas/server.json."""
    messages, parts = _components()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "agentflow/websocket/server.json",
        "title": "Server to client",
        "description": (
            "One message of the server on /ws/, or, for a client that asked for batches, an array of them; "
            "docs/websocket.md."
        ),
        "anyOf": [
            {"$ref": "#/$defs/ServerMessage"},
            {"type": "array", "items": {"$ref": "#/$defs/ServerMessage"}, "minItems": 1},
        ],
        "$defs": {"ServerMessage": {"anyOf": messages}, **parts},
    }


def server_types() -> str:
    """The part of frontend/src/live/contract.ts that is about the server's messages."""
    messages, parts = _components()
    words: dict[str, str] = {}
    blocks = [_interface(name, part, words) for name, part in sorted(parts.items())]
    named = [f"export type {name} = {union};\n" for name, union in sorted(words.items())]
    union = "".join(f"\n  | {_type(message, words)}" for message in messages)
    return "\n".join([_HEAD, *named, *blocks, f"export type ServerMessage ={union};\n", _required(messages, parts)])


def as_text(schema: Schema) -> str:
    """A schema as its file holds it: a definition a line, so that a change shows where it is."""
    head = {name: value for name, value in schema.items() if name != "$defs"}
    lines = [
        f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in schema["$defs"].items()
    ]
    opened = json.dumps(head, ensure_ascii=False, indent=1).removesuffix("\n}")
    return f'{opened},\n "$defs": {{\n' + ",\n".join(lines) + "\n }\n}\n"


def _components() -> tuple[Sequence[Schema], dict[str, Schema]]:
    messages, parts = schema_components(get_args(ServerMessage), ref_template="#/$defs/{name}")
    return messages, dict(sorted(parts.items()))


def _interface(name: str, schema: Schema, words: dict[str, str]) -> str:
    required = set(schema.get("required", ()))
    fields = [
        f"  {field}{'' if field in required else '?'}: {_type(of, words)};\n"
        for field, of in schema["properties"].items()
    ]
    text = " ".join(schema.get("description", "").split())
    comment = f"/** {text} */\n" if text else ""
    return f"{comment}export interface {name} {{\n{''.join(fields)}}}\n"


def _required(messages: Sequence[Schema], parts: Mapping[str, Schema]) -> str:
    forms: dict[str, list[dict[str, bool]]] = {}
    for message in messages:
        part = parts[_type(message, {})]
        fields = {field: "$ref" in part["properties"][field] for field in part["required"]}
        forms.setdefault(part["properties"]["type"]["enum"][0], []).append(fields)
    rows = "".join(f"  {kind}: {json.dumps(found)},\n" for kind, found in sorted(forms.items()))
    return (
        "/** What a message of a type must have, and which of it are objects; a type may have several forms. */\n"
        'export const REQUIRED: Record<ServerMessage["type"], readonly Readonly<Record<string, boolean>>[]> = '
        f"{{\n{rows}}};\n"
    )


def _type(schema: Schema, words: dict[str, str]) -> str:
    """Names words that have a title, and notes them in `words`."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        union = " | ".join(json.dumps(word) for word in schema["enum"])
        if "title" not in schema:
            return union
        words[schema["title"]] = union
        return str(schema["title"])
    if "anyOf" in schema:
        return " | ".join(_type(one, words) for one in schema["anyOf"])
    match schema.get("type"):
        case "array" if "prefixItems" in schema:
            return f"[{', '.join(_type(one, words) for one in schema['prefixItems'])}]"
        case "array":
            return f"Array<{_type(schema['items'], words)}>"
        case "object":
            return f"Record<string, {_type(schema.get('additionalProperties', {}), words)}>"
        case None:
            return "unknown"
        case plain:
            return _PLAIN[plain]
