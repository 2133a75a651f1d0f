"""Parses and checks the six commands of the memory tool: a model may send any input. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat.errors import MemoryRefused

NAME = "memory"
MAX_TEXT_CHARACTERS = 40_000

# The fields that each command needs; all are texts except the line numbers.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "view": ("path",),
    "create": ("path", "file_text"),
    "str_replace": ("path", "old_str", "new_str"),
    "insert": ("path", "insert_line", "insert_text"),
    "delete": ("path",),
    "rename": ("old_path", "new_path"),
}
WRITES = frozenset(_FIELDS) - {"view"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCommand:
    command: str
    path: str = ""  # For "rename": the old path.
    new_path: str = ""
    text: str = ""  # file_text, new_str or insert_text
    old_text: str = ""
    line: int = 0
    view_range: tuple[int, int] | None = None

    @property
    def writes(self) -> bool:
        return self.command in WRITES


def parse(arguments: Any) -> MemoryCommand:
    """Raises `MemoryRefused`. A field whose value is None counts as missing."""
    if not isinstance(arguments, dict):
        raise MemoryRefused("invalid", "The input must be an object.")
    given = {name: value for name, value in arguments.items() if value is not None}
    command = given.get("command")
    if not isinstance(command, str) or command not in _FIELDS:
        raise MemoryRefused("invalid", f"Unknown command: {str(command)[:40]}")
    for name in _FIELDS[command]:
        _check(command, name, given.get(name, "" if name == "new_str" else None))
    return MemoryCommand(
        command=command,
        path=given.get("path") or given.get("old_path") or "",
        new_path=given.get("new_path", ""),
        text=given.get({"create": "file_text", "str_replace": "new_str", "insert": "insert_text"}.get(command, ""), ""),
        old_text=given.get("old_str", ""),
        line=given.get("insert_line", 0),
        view_range=_range(given.get("view_range")) if command == "view" else None,
    )


def _check(command: str, name: str, value: Any) -> None:
    if name == "insert_line":
        if not isinstance(value, int) or isinstance(value, bool):
            raise MemoryRefused("invalid", f"{command} needs {name}, a whole number.")
        return
    if not isinstance(value, str):
        raise MemoryRefused("invalid", f"{command} needs {name}, a text.")
    if (name.endswith("path") or name == "old_str") and not value:
        raise MemoryRefused("invalid", f"{command} needs {name}, which is empty.")
    if len(value) > MAX_TEXT_CHARACTERS or "\x00" in value or not _is_encodable(value):
        raise MemoryRefused("invalid", f"{name} is too long or not plain text.")


def plain_text(text: str) -> str:
    """Raises `MemoryRefused` for text that cannot be stored."""
    if len(text) > MAX_TEXT_CHARACTERS or "\x00" in text or not _is_encodable(text):
        raise MemoryRefused("invalid", "The text is too long or not plain text.")
    return text


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _range(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    is_good = isinstance(value, list) and len(value) == 2 and all(type(number) is int for number in value)
    if not is_good:
        raise MemoryRefused("invalid", "view_range is two line numbers, the last may be -1.")
    return value[0], value[1]


_TEXT = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "name": NAME,
    "description": (
        "What AgentFlow remembers, as text files under /memories/global, /memories/project/<name> and "
        "/memories/node/<name> of this conversation's context. Look here before you diagnose; store only lasting "
        "facts. view: path (a folder lists it), view_range; create: path, file_text; str_replace: path, old_str, "
        "new_str; insert: path, insert_line, insert_text; delete: path; rename: old_path, new_path."
    ),
    "input_schema": {
        "type": "object",
        "properties": {
            "command": {"type": "string", "enum": list(_FIELDS)},
            **dict.fromkeys(("path", "file_text", "old_str", "new_str", "insert_text", "old_path", "new_path"), _TEXT),
            "insert_line": {"type": "integer", "minimum": 0},
            "view_range": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
        },
        "required": ["command"],
        "additionalProperties": False,
    },
}
# The SDK's built-in name of this tool, for endpoints that support it.
BUILT_IN: dict[str, Any] = {"type": "memory_20250818", "name": NAME}
