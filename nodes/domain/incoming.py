"""Validates external input against its declaration: a `msgspec` struct whose fields carry their limits.

`msgspec` parses; this module reports the invalid field as data, so that each reader gets an error in their language.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta, inspect, structs

from nodes.domain.phrases import Phrase, english, phrase
from nodes.errors import AgentFlowError

T = TypeVar("T", bound=msgspec.Struct)

BAD_FIELD = "bad-field"
UNKNOWN_FIELD = "unknown-field"

MAX_ID = 64
MAX_NAME = 200
MAX_TEXT = 64 << 10
# No operating system accepts NUL in an argument, nor PostgreSQL in a text.
NO_NUL = r"^[^\u0000]*$"

OptionalId = Annotated[str, Meta(max_length=MAX_ID, pattern=NO_NUL)]
Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID, pattern=NO_NUL)]
Name = Annotated[str, Meta(max_length=MAX_NAME, pattern=NO_NUL)]
Text = Annotated[str, Meta(max_length=MAX_TEXT, pattern=NO_NUL)]
# For values of other nodes, whose upper limits are those of the entry that holds them.
NotEmpty = Annotated[str, Meta(min_length=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]

_MAX_NAME_SHOWN = 64
_NOT_GIVEN = frozenset({NoneType, msgspec.UnsetType})


class BadInput(AgentFlowError):
    """One field is invalid. `code` is for programs; `path` locates the field: ("argv", "1")."""

    def __init__(self, code: str, path: tuple[str, ...], why: Phrase) -> None:
        super().__init__(code, path)
        self.code = code
        self.path = path
        self.part = why

    def __str__(self) -> str:
        return english([self.part])


def read(kind: type[T], values: Any, *, from_text: bool = False) -> T:
    """Converts `values` to `kind`. Raises `BadInput`. `from_text`: every value is text, as in a query string."""
    try:
        return msgspec.convert(values, kind, strict=not from_text)
    except (msgspec.ValidationError, UnicodeEncodeError):  # The second: a field name that is not Unicode.
        raise _first_error(kind, values, (), strict=not from_text) from None


def _first_error(kind: Any, value: Any, path: tuple[str, ...], *, strict: bool) -> BadInput:
    """Finds the first invalid field of a value that `msgspec` refused: its own message names no key of a mapping."""
    if not _NOT_GIVEN.isdisjoint(get_args(kind)):
        kind = next(one for one in get_args(kind) if one not in _NOT_GIVEN)
    declared, limits = _bare(kind)
    if isinstance(declared, type) and issubclass(declared, msgspec.Struct) and isinstance(value, Mapping):
        return _first_field_error(declared, value, path, strict=strict)
    if limits is None or limits.max_length is None or not hasattr(value, "__len__") or len(value) <= limits.max_length:
        for name, inner_kind, inner in _inside(declared, value):
            if not _fits(inner_kind, inner, strict=strict):
                return _first_error(inner_kind, inner, (*path, name) if name else path, strict=strict)
    return BadInput(BAD_FIELD, path, _expected(kind, shown(path)))


def _first_field_error(
    kind: type[msgspec.Struct], values: Mapping[str, Any], path: tuple[str, ...], *, strict: bool
) -> BadInput:
    fields = structs.fields(kind)
    config = kind.__struct_config__
    known = {field.encode_name for field in fields} | ({config.tag_field} if config.tag_field else set())
    unknown = [name for name in values if name not in known]
    if unknown and config.forbid_unknown_fields:
        here = (*path, unknown[0])
        name, names = shown(here), ", ".join(sorted(known))
        return BadInput(UNKNOWN_FIELD, here, phrase("field-unknown", field=name, known=names))
    for field in fields:
        here = (*path, field.encode_name)
        if field.encode_name not in values:
            if field.required:
                return BadInput(BAD_FIELD, here, phrase("field-missing", field=shown(here)))
        elif not _fits(field.type, values[field.encode_name], strict=strict):
            return _first_error(field.type, values[field.encode_name], here, strict=strict)
    raise AssertionError("msgspec refused a struct with valid fields")


def _inside(declared: Any, value: Any) -> list[tuple[str, Any, Any]]:
    """Name, declaration and value of each item of a list or mapping; the keys of a mapping have an empty name."""
    kinds = get_args(declared)
    if isinstance(value, Mapping) and get_origin(declared) in (dict, Mapping):
        pairs = list(value.items())
        return [("", kinds[0], key) for key, _ in pairs] + [(key, kinds[1], inner) for key, inner in pairs]
    if isinstance(value, list | tuple) and get_origin(declared) in (list, tuple):
        return [(str(index), kinds[0], inner) for index, inner in enumerate(value)]
    return []


def _fits(kind: Any, value: Any, *, strict: bool) -> bool:
    try:
        msgspec.convert(value, kind, strict=strict)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return False
    return True


def _bare(kind: Any) -> tuple[Any, Meta | None]:
    if get_origin(kind) is not Annotated:
        return kind, None
    declared, *marks = get_args(kind)
    return declared, next((mark for mark in marks if isinstance(mark, Meta)), None)


def shown(path: tuple[str, ...]) -> str:
    """The path for a message; names chosen by the sender are truncated."""
    return ".".join(name[:_MAX_NAME_SHOWN].encode(errors="replace").decode() for name in path)


def _expected(kind: Any, field: str) -> Phrase:
    """The message that says what the field's declaration expects."""
    declared = inspect.type_info(kind)
    if isinstance(declared, inspect.Metadata):
        if declared.extra and "expected" in declared.extra:
            return phrase(declared.extra["expected"], field=field)
        declared = declared.type
    match declared:
        case inspect.StrType(max_length=int(limit), min_length=least):
            if least:
                return phrase("some-text-expected", field=field, limit=str(limit))
            return phrase("text-expected", field=field, limit=str(limit))
        case inspect.StrType():
            return phrase("any-text-expected", field=field)
        case inspect.IntType(ge=int(least), le=int(limit)):
            return phrase("whole-number-expected", field=field, least=f"{least}", limit=f"{limit}")
        case inspect.FloatType(ge=least, le=limit) if least is not None and limit is not None:
            return phrase("number-expected", field=field, least=f"{least:g}", limit=f"{limit:.12g}")
        case inspect.BoolType():
            return phrase("flag-expected", field=field)
        case inspect.EnumType(cls=choices):
            return phrase("choice-expected", field=field, choices=", ".join(str(one.value) for one in choices))
        case inspect.LiteralType(values=choices):
            return phrase("choice-expected", field=field, choices=", ".join(map(str, choices)))
        case inspect.VarTupleType(max_length=int(limit), min_length=least):
            if least:
                return phrase("some-list-expected", field=field, limit=str(limit))
            return phrase("list-expected", field=field, limit=str(limit))
        case inspect.DictType(max_length=int(limit)):
            return phrase("mapping-expected", field=field, limit=str(limit))
        case _:
            return phrase("object-expected", field=field) if field else phrase("message-object-expected")
