"""Declarations of request bodies and queries with their limits. Unknown fields are refused.

The bodies that act on tasks, `NewTask` and `ControlSpec`, are in `nodes.domain.commands`.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar, get_args, get_origin

from django.http import QueryDict
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from nodes.domain.incoming import MAX_ID, MAX_NAME, NO_NUL, BadInput, Name, OptionalId, read, shown
from nodes.domain.phrases import phrase
from nodes.domain.states import LogLevel, TaskState

Q = TypeVar("Q", bound="Fields")

MAX_PAGE = 500
MAX_INTEGER = (1 << 63) - 1
LAST_MOMENT_MS = 253_402_300_799_000  # The end of the year 9999, the largest date.

PageSize = Annotated[int, Meta(ge=1, le=MAX_PAGE)]
PageNumber = Annotated[int, Meta(ge=1, le=10_000)]
Number = Annotated[int, Meta(ge=1, le=1 << 31)]
Moment = Annotated[int, Meta(ge=0, le=LAST_MOMENT_MS)]  # Unix milliseconds, as every time in a message.
ContextName = Annotated[str, Meta(max_length=MAX_NAME + MAX_ID + 1, pattern=NO_NUL)]  # "project:node"


class Fields(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A body or a query. Unknown fields are refused, so that a misspelt option is never silently ignored."""

    def given(self) -> dict[str, Any]:
        """The fields by name, without absent ones that have no default."""
        return {name: value for name, value in structs.asdict(self).items() if value is not UNSET}


class Nothing(Fields, frozen=True, kw_only=True):
    """No parameters, or no body."""


class Acknowledgement(Fields, frozen=True, kw_only=True):
    seen: OptionalId = ""  # The `digest` of the alert that the person saw.


class TaskQuery(Fields, frozen=True, kw_only=True):
    state: tuple[TaskState, ...] = ()
    node: OptionalId | UnsetType = UNSET
    project: Name | UnsetType = UNSET
    text: Name | UnsetType = UNSET
    limit: PageSize = 100
    page: PageNumber = 1


class AlertQuery(Fields, frozen=True, kw_only=True):
    open: bool = False
    node: OptionalId | UnsetType = UNSET
    task: OptionalId | UnsetType = UNSET
    limit: PageSize = 100
    page: PageNumber = 1


class LogQuery(Fields, frozen=True, kw_only=True):
    attempt: Number | UnsetType = UNSET
    after: Annotated[int, Meta(ge=0, le=MAX_INTEGER)] = 0
    limit: Annotated[int, Meta(ge=1, le=5000)] = 1000
    level: LogLevel | UnsetType = UNSET


class HistoryQuery(Fields, frozen=True, kw_only=True):
    node: OptionalId | UnsetType = UNSET
    state: TaskState | UnsetType = UNSET
    project: Name | UnsetType = UNSET
    text: Name | UnsetType = UNSET
    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET
    limit: PageSize = 50
    page: PageNumber = 1


def read_query(kind: type[Q], query: QueryDict) -> Q:
    """Parses a query. The last of several values wins, except for declared lists. Raises `BadInput`."""
    lists = {field.encode_name for field in structs.fields(kind) if _is_list(field.type)}
    values = {name: query.getlist(name) if name in lists else query[name] for name in query}
    try:
        return read(kind, values, from_text=True)
    except BadInput as bad:
        here = bad.path[:1]  # A query has no nested fields.
        why = phrase(bad.part["key"], **{**bad.part["values"], "field": shown(here)})
        raise BadInput(bad.code, here, why) from None


def _is_list(kind: Any) -> bool:
    return (get_origin(get_args(kind)[0]) if get_origin(kind) is Annotated else get_origin(kind)) is tuple
