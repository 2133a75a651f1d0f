"""A value with every field set, made from the declaration alone: a round trip of it covers a field added later."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from nodes.domain.phrases import Phrase, phrase

T = TypeVar("T")


def filled(kind: type[T], **given: Any) -> T:
    """`kind` is a dataclass or a struct. No field has its default; no two texts or numbers are the same.

    `given` are fields whose value cannot be told from the declaration.
    """
    defaults = _defaults(kind)
    values = dict(given)
    for number, (name, declared) in enumerate(get_type_hints(kind, include_extras=True).items(), start=1):
        if name not in values:
            values[name] = _value(declared, name, number, defaults.get(name))
        assert values[name] != defaults.get(name) or name in given, f"{kind.__name__}.{name} has its default"
    return kind(**values)


def _defaults(kind: Any) -> dict[str, Any]:
    """Every field's default; a field without one is not in it."""
    if dataclasses.is_dataclass(kind):
        missing: Any = dataclasses.MISSING
        fields: Any = dataclasses.fields(kind)
    else:
        missing, fields = msgspec.NODEFAULT, msgspec.structs.fields(kind)
    return {
        one.name: one.default if one.default_factory is missing else one.default_factory()
        for one in fields
        if one.default is not missing or one.default_factory is not missing
    }


def _value(declared: Any, name: str, number: int, default: Any) -> Any:
    limits = Meta()
    if get_origin(declared) is Annotated:
        declared, limits = get_args(declared)[0], next(one for one in get_args(declared) if isinstance(one, Meta))
    origin, inner = get_origin(declared), get_args(declared)
    if origin in (Union, UnionType):
        return _value(next(one for one in inner if one is not NoneType), name, number, default)
    if origin in (tuple, list):
        return origin(_value(inner[0], f"{name}{index}", index, None) for index in (number, number + 1))
    if origin in (Mapping, dict):
        return {_value(inner[0], f"{name}_key", number, None): _value(inner[1], name, number, None)}
    if declared is bool:
        return not default
    if declared is int:
        return number + 1 if limits.le is None else min(number + 1, limits.le)
    if declared is float:
        return number + 0.5 if limits.le is None else limits.le / (number + 1)
    if declared is str:
        return f"{name}·ä"
    if declared is bytes:
        return f"{name}ä".encode() + b"\xff\x00"
    if isinstance(declared, type) and issubclass(declared, Enum):
        return next(one for one in declared if one is not default)
    if dataclasses.is_dataclass(declared) or (isinstance(declared, type) and issubclass(declared, msgspec.Struct)):
        return filled(cast(type[Any], declared))
    if declared is Phrase:
        return phrase(f"{name}·ä", **{f"{name}_value": f"{number}·ä"})
    raise TypeError(f"{name}: no value for {declared}")
