"""What the messages to dashboards have in common (docs/websocket.md): each is declared beside the function that builds
it, for pushes and snapshots alike, in the module of its subject; `contract` lists them all.

Ids and 64-bit numbers are strings; times named `…At` and `at` are Unix milliseconds; NaN and infinity become null.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, TypedDict, get_args, get_origin, get_type_hints, overload

import orjson
from msgspec import Meta, Struct, structs

from nodes.domain.states import NodeState

Message = dict[str, Any]


def one_of(name: str, words: Iterable[str]) -> Meta:
    """One of these words: text in Python, as rows store it; a type of this name in TypeScript."""
    return Meta(title=name, extra_json_schema={"enum": [str(word) for word in words]})


FeedNumber = Annotated[str, Meta(pattern="^[0-9]{1,19}$")]
NodeStateWord = Annotated[str, one_of("NodeState", NodeState)]


class Positioned(TypedDict):
    """A message with its position in the feed of one store."""

    store: str
    seq: FeedNumber


class Moment(TypedDict, total=False):
    # Absent where a state is sent again to a client of the base messages.
    at: int


def json_form(kind: type[Struct], forms: Mapping[type, Any], *, total: bool = True) -> Any:
    """The `TypedDict` of a struct as JSON, without limits, which only input has. `forms` has those of inner types."""

    def form(declared: Any) -> Any:
        if get_origin(declared) is tuple:
            return list[form(get_args(declared)[0])]  # type: ignore[misc]  # Made at run time
        return forms.get(declared, declared)

    declared = get_type_hints(kind)
    fields = {one.encode_name: form(declared[one.name]) for one in structs.fields(kind)}
    made = TypedDict(kind.__name__, fields, total=total)  # type: ignore[misc]  # Made at run time
    made.__doc__ = kind.__doc__
    return made


def encode(message: Mapping[str, Any]) -> str:
    """JSON as sent; NaN and infinity become null."""
    return orjson.dumps(message).decode()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@overload
def milliseconds(moment: datetime) -> int: ...
@overload
def milliseconds(moment: None) -> None: ...
@overload
def milliseconds(moment: datetime | None) -> int | None: ...
def milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)


def state_message(kind: str, /, *, store: str, seq: int, **fields: Any) -> Message:
    """A message with a feed number; `fields` come last and keep their order."""
    return {"type": kind, "store": store, "seq": str(seq), "at": now_ms(), **fields}
