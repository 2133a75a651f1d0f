"""Generates JSON Schemas for other programs and TypeScript types for the page from declared messages. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, get_args

import msgspec

import chat.contract
import dashboard.live.contract
import dashboard.live.messages
import nodes.domain.commands
import nodes.domain.events
import nodes.leader.projection.alert_messages
import nodes.leader.projection.contract
import nodes.leader.projection.log_messages
import nodes.leader.projection.message_base
import nodes.leader.projection.node_messages
import nodes.leader.projection.task_messages
import nodes.leader.projection.trouble
from dashboard.live.contract import ServerMessage
from dashboard.live.field_comments import FieldComments, field_comments_of
from dashboard.live.messages import ClientMessage, Run
from nodes.domain.commands import WAYS_TO_RUN, ControlSpec, NewTask, TaskSpec
from nodes.domain.unseen import EMOJI, unseen_ranges

Schema = Mapping[str, Any]

_WRITTEN_BY = "Written by `manage.py contract` from dashboard/live/contract.py and messages.py; do not edit."
_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def _unseen_table() -> str:
    """The page decides about unseen characters like the server."""
    ranges = "".join(f"\\u{{{first:x}}}-\\u{{{last:x}}}" for first, last in unseen_ranges())
    emoji = EMOJI.encode("ascii", "backslashreplace").decode()
    emoji = re.sub(r"\\U000(\w{5})|\\u(\w{4})|\\x(\w{2})", lambda m: f"\\u{{{m[1] or m[2] or m[3]}}}", emoji)
    return (
        "/** Written by `manage.py contract` from nodes/domain/unseen.py; do not edit. */\n\n"
        f"export const EMOJI = {json.dumps(emoji)};\n\n"
        f"export const UNSEEN =\n  {json.dumps(ranges)};\n"
    )


def files() -> dict[str, str]:
    """Every generated file by its path in the repository."""
    client, server = client_schema(), server_schema()
    return {
        "frontend/src/app/unseen-table.ts": _unseen_table(),
        "docs/schemas/client.json": _as_text(client),
        "docs/schemas/server.json": _as_text(server),
        "frontend/src/live/contract.ts": _typescript(client, server),
    }


@cache
def _field_comments() -> FieldComments:
    return field_comments_of(
        (
            nodes.domain.commands,
            nodes.domain.events,
            nodes.leader.projection.message_base,
            nodes.leader.projection.alert_messages,
            nodes.leader.projection.log_messages,
            nodes.leader.projection.node_messages,
            nodes.leader.projection.task_messages,
            nodes.leader.projection.trouble,
            nodes.leader.projection.contract,
            chat.contract,
            dashboard.live.contract,
            dashboard.live.messages,
        )
    )


def client_schema() -> dict[str, Any]:
    messages, parts = _components(get_args(ClientMessage))
    # A rule about several fields, which no single field can declare.
    parts[Run.__name__]["oneOf"] = [_is_set(way) for way in WAYS_TO_RUN]
    description = "One message of a client on /ws/; docs/websocket.md."
    return {**_head("client", "Client to server", description), "oneOf": messages, "$defs": parts}


def server_schema() -> dict[str, Any]:
    messages, parts = _components(get_args(ServerMessage))
    description = (
        "One message of the server on /ws/, or, for a client that asked for batches, an array of them; "
        "docs/websocket.md."
    )
    reference = {"$ref": "#/$defs/ServerMessage"}
    return {
        **_head("server", "Server to client", description),
        "anyOf": [reference, {"type": "array", "items": reference, "minItems": 1}],
        "$defs": {"ServerMessage": {"anyOf": messages}, **parts},
    }


def request_schemas() -> Mapping[str, Schema]:
    """The definitions of the REST requests that start and control a task."""
    return _components((NewTask, ControlSpec))[1]


def name_of(reference: Schema) -> str:
    """ "#/$defs/Turn" → "Turn"."""
    return str(reference["$ref"]).rpartition("/")[2]


def described(schema: Schema) -> str:
    """Its description as one line; may be empty."""
    return " ".join(schema.get("description", "").split())


def _head(name: str, title: str, description: str) -> dict[str, str]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"agentflow/websocket/{name}.json",
        "title": title,
        "description": description,
        "$comment": _WRITTEN_BY,
    }


def _components(kinds: Sequence[Any]) -> tuple[list[Schema], dict[str, dict[str, Any]]]:
    """References to these messages, and the definitions by name."""
    messages, parts = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    for name, part in parts.items():
        part.pop("title", None)
        for field, comment in _field_comments().get(name, {}).items():
            # Re-adds fields in declared order, because msgspec sorts those of a TypedDict.
            part["properties"][field] = part["properties"].pop(field) | ({"description": comment} if comment else {})
        kind = part.get("properties", {}).get("type")
        if kind is not None and len(kind.get("enum", ())) == 1:
            part["properties"]["type"] = {"const": kind["enum"][0]}
    return list(messages), dict(sorted(parts.items()))


def _is_set(attribute: str) -> dict[str, Any]:
    field = next(field for field in msgspec.structs.fields(TaskSpec) if field.name == attribute)
    at_least_one = {"minItems": 1} if field.default == () else {"minLength": 1}
    return {"required": [field.encode_name], "properties": {field.encode_name: at_least_one}}


def _as_text(schema: Schema) -> str:
    """One definition per line, for readable diffs."""
    head = json.dumps({name: of for name, of in schema.items() if name != "$defs"}, ensure_ascii=False, indent=1)
    lines = [f"  {json.dumps(name)}: {json.dumps(of, ensure_ascii=False)}" for name, of in schema["$defs"].items()]
    return head.removesuffix("\n}") + ',\n "$defs": {\n' + ",\n".join(lines) + "\n }\n}\n"


# --- TypeScript -----------------------------------------------------------------------------------


def _typescript(client: Schema, server: Schema) -> str:
    """A type for each definition, the unions of messages, and the table that the page checks messages against."""
    parts = {**client["$defs"], **server["$defs"]}
    messages = parts.pop("ServerMessage")["anyOf"]
    words: dict[str, str] = {}
    blocks = [_declaration(name, part, words) for name, part in sorted(parts.items())]
    named = [f"export type {name} = {union};\n" for name, union in sorted(words.items())]
    unions = [_union("ClientMessage", client["oneOf"]), _union("ServerMessage", messages)]
    return "\n".join([f"// {_WRITTEN_BY}\n", *named, *blocks, *unions, _required(messages, parts)])


def _declaration(name: str, part: Schema, words: dict[str, str]) -> str:
    comment = _comment(part)
    if "properties" not in part:
        return f"{comment}export type {name} = {_type(part, words)};\n"
    required = set(part.get("required", ()))
    fields = [
        f"{_comment(of, '  ')}  {field}{'' if field in required else '?'}: {_type(of, words)};\n"
        for field, of in part["properties"].items()
    ]
    return f"{comment}export interface {name} {{\n{''.join(fields)}}}\n"


def _comment(schema: Schema, indent: str = "") -> str:
    text = described(schema)
    return f"{indent}/** {text} */\n" if text else ""


def _union(name: str, messages: Sequence[Schema]) -> str:
    return f"export type {name} =" + "".join(f"\n  | {_type(message, {})}" for message in messages) + ";\n"


def _required(messages: Sequence[Schema], parts: Mapping[str, Schema]) -> str:
    forms: dict[str, list[dict[str, bool]]] = {}
    for message in messages:
        part = parts[_type(message, {})]
        fields = {field: "$ref" in part["properties"][field] for field in part["required"]}
        forms.setdefault(part["properties"]["type"]["const"], []).append(fields)
    rows = "".join(f"  {kind}: {json.dumps(found)},\n" for kind, found in sorted(forms.items()))
    return (
        "/** What a message of a type must have, and which of it are objects; a type may have several forms. */\n"
        'export const REQUIRED: Record<ServerMessage["type"], readonly Readonly<Record<string, boolean>>[]> = '
        f"{{\n{rows}}};\n"
    )


def _type(schema: Schema, words: dict[str, str]) -> str:
    """The TypeScript type. An enumeration with a title becomes a named type, which is added to `words`."""
    match schema:
        case {"$ref": _}:
            return name_of(schema)
        case {"const": value}:
            return json.dumps(value)
        case {"enum": values, "title": name}:
            words[name] = " | ".join(json.dumps(value) for value in values)
            return str(name)
        case {"enum": values}:
            return " | ".join(json.dumps(value) for value in values)
        case {"anyOf": kinds}:
            return " | ".join(dict.fromkeys(_type(kind, words) for kind in kinds))
        case {"prefixItems": kinds}:
            return f"[{', '.join(_type(kind, words) for kind in kinds)}]"
        case {"type": "array", "items": items}:
            return f"Array<{_type(items, words)}>"
        case {"type": "object"}:
            return f"Record<string, {_type(schema.get('additionalProperties', {}), words)}>"
        case {"type": name}:
            return _PLAIN[name]
    return "unknown"
