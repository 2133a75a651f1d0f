"""Converts a value and the protobuf message with the same fields into each other, by the value's declaration.

A field of the value is a field of the message with the same name. A field that is missing in the message stops the
import; how each one is checked follows from its type:

- text is made valid Unicode for the wire, and must not be empty if declared with `min_length`;
- a float must be a finite number of at most `MOST`, and not negative if declared with `ge=0`. Lower limits are for
  input: the stream accepts what an older or newer peer allows;
- an enum must be a value that this version knows;
- `X | None` is a field with presence: absent = None;
- a field or list of a type in `nested` uses the functions given there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, NamedTuple, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

from google.protobuf.message import Message
from msgspec import Meta

from nodes.errors import ProtocolViolation
from nodes.stream.wire.fields import ENUMS, MOST, finite, known, not_negative, required, text

Value = TypeVar("Value")
Wire = TypeVar("Wire", bound=Message)
Word = TypeVar("Word", bound=StrEnum)

Function = Callable[[Any], Any]


class Functions(NamedTuple):
    """Of one field. None = the same on both sides."""

    to_wire: Function | None
    from_wire: Function | None


class Both(Protocol):
    """A `Converter`, or `Functions` for what is converted by hand."""

    @property
    def to_wire(self) -> Function | None: ...
    @property
    def from_wire(self) -> Function | None: ...


class Converter(Generic[Value, Wire]):
    """Both directions for one type, each compiled once into a single expression, as fast as one written by hand.

    `name` is the message's in errors ("metrics.load_1m: inf is not a number"); empty = the field's name alone.
    `renamed` has the message's name of a field where it differs; `own` the decoding function of a field with a rule of
    its own.
    """

    def __init__(
        self,
        kind: type[Value],
        message: type[Wire],
        name: str,
        *,
        renamed: Mapping[str, str] | None = None,
        own: Mapping[str, Function] | None = None,
        nested: Mapping[type, Both] | None = None,
    ) -> None:
        encoded, decoded = [], []
        known_names: dict[str, Any] = {"kind": kind, "message_kind": message}
        for here, declared in get_type_hints(kind, include_extras=True).items():
            there = (renamed or {}).get(here, here)
            if there not in message.DESCRIPTOR.fields_by_name:
                raise TypeError(f"{kind.__name__}.{here}: {message.DESCRIPTOR.name} has no field {there}")
            inner = _without_none(declared)
            encode, decode = _functions(inner, f"{name}.{there}" if name else there, nested or {})
            decode = (own or {}).get(here, decode)
            known_names |= {f"encode_{here}": encode, f"decode_{here}": decode}
            to_wire = f"value.{here}" if encode is None else f"encode_{here}(value.{here})"
            from_wire = f"message.{there}" if decode is None else f"decode_{here}(message.{there})"
            if inner is not declared:
                to_wire = f"None if value.{here} is None else {to_wire}"
                from_wire = f"{from_wire} if message.HasField({there!r}) else None"
            encoded.append(f"{there}={to_wire}")
            decoded.append(f"{here}={from_wire}")
        # Made only of names of declared fields: nothing from outside is evaluated.
        to_wire = f"lambda value, **fields: message_kind({', '.join(encoded)}, **fields)"
        from_wire = f"lambda message: kind({', '.join(decoded)})"
        # Takes a value, and by name fields of the message that the value does not have.
        self.to_wire: Callable[..., Wire] = eval(to_wire, known_names)  # noqa: S307 - see above
        # Raises `ProtocolViolation`.
        self.from_wire: Callable[[Wire], Value] = eval(from_wire, known_names)  # noqa: S307 - see above


def word(kind: type[Word], value: str, field: str) -> Word:
    """The word of an enum that is text on the wire. Raises `ProtocolViolation`."""
    try:
        return kind(value)
    except ValueError as exc:
        raise ProtocolViolation(f"{field}: {exc}") from None


def _without_none(declared: Any) -> Any:
    if get_origin(declared) in (Union, UnionType):
        (inner,) = (one for one in get_args(declared) if one is not NoneType)
        return inner
    return declared


def _functions(declared: Any, where: str, nested: Mapping[type, Both]) -> Functions:
    """The functions of one field. Raises `TypeError` for a type that has no rule here."""
    kind, limits = declared, Meta()
    if get_origin(declared) is Annotated:
        kind, *marks = get_args(declared)
        limits = next((mark for mark in marks if isinstance(mark, Meta)), limits)
    origin = get_origin(kind)
    if origin is tuple:
        return _of_each(_functions(get_args(kind)[0], where, nested))
    if origin is Mapping:
        return Functions(_texts, dict)
    if kind in nested:
        return Functions(nested[kind].to_wire, nested[kind].from_wire)
    if kind is str:
        return Functions(text, (lambda value: required(value, where)) if limits.min_length else None)
    if kind is float:
        least = 0.0 if limits.ge == 0 else -MOST
        check = not_negative if limits.ge == 0 else finite
        # One comparison for a valid value, as there are many; NaN is in no range.
        return Functions(None, lambda value: value if least <= value <= MOST else check(value, where))
    if kind in (int, bool, bytes):
        return Functions(None, None)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _enum(kind, where)
    raise TypeError(f"{where}: no rule for {declared}")


def _of_each(one: Functions) -> Functions:
    encode, decode = one
    return Functions(
        None if encode is None else lambda values: [encode(value) for value in values] if values else values,
        tuple if decode is None else lambda values: tuple([decode(value) for value in values]) if values else (),
    )


def _enum(kind: type[StrEnum], where: str) -> Functions:
    if kind in ENUMS:
        numbers, words = ENUMS[kind]
        return Functions(numbers.__getitem__, lambda number: known(words, number, where))
    return Functions(str, lambda value: word(kind, value, where))


def _texts(values: Mapping[str, str]) -> dict[str, str]:
    return {text(name): text(value) for name, value in values.items()}
