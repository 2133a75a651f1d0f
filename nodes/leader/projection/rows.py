"""Writes many rows at once. Django's bulk methods build SQL per call, which costs more than SQLite's work.

Portable SQL only: the same text runs on SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import chain
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BinaryField, DateTimeField, Field, JSONField, Model

# Limits the memory for one message's text.
_ROWS_PER_MESSAGE = 500

Prepare = Callable[[Any, BaseDatabaseWrapper], Any]


@cache
def _fields(model: type[Model]) -> tuple[Field[Any, Any], ...]:
    """The model's fields with the key last, as an UPDATE needs them."""
    key = model._meta.pk
    return (*(field for field in model._meta.concrete_fields if field is not key), key)


@cache
def _preparations(model: type[Model]) -> tuple[tuple[str, Prepare | None], ...]:
    """Each attribute and its conversion to a database value; None for numbers and text, which is most of them."""
    converted = (DateTimeField, JSONField, BinaryField)
    return tuple(
        (
            field.attname,
            field.get_db_prep_save if isinstance(field, converted) or hasattr(field, "from_db_value") else None,
        )
        for field in _fields(model)
    )


def _quoted(name: str | None) -> str:
    if name is None:
        raise AssertionError("a concrete field has a column")
    return connections[DEFAULT_DB_ALIAS].ops.quote_name(name)


@cache
def _update_statement(model: type[Model], vendor: str) -> str:
    *fields, key = _fields(model)
    assignments = ", ".join(f"{_quoted(field.column)} = %s" for field in fields)
    return f"UPDATE {_quoted(model._meta.db_table)} SET {assignments} WHERE {_quoted(key.column)} = %s"  # noqa: S608 - names of our own tables


def update_rows(model: type[Model], instances: Iterable[Model]) -> None:
    """Updates every field of each row. The rows must exist."""
    connection = connections[DEFAULT_DB_ALIAS]
    preparations = _preparations(model)
    values = [
        [
            getattr(instance, name) if prepare is None else prepare(getattr(instance, name), connection)
            for name, prepare in preparations
        ]
        for instance in instances
    ]
    _execute_many(connection, _update_statement(model, connection.vendor), values)


@cache
def _insert_statement(model: type[Model], names: tuple[str, ...], vendor: str, *, once: bool) -> str:
    by_attribute = {field.attname: field for field in _fields(model)}
    columns = ", ".join(_quoted(by_attribute[name].column) for name in names)
    places = ", ".join(["%s"] * len(names))
    ignore = " ON CONFLICT DO NOTHING" if once else ""
    return f"INSERT INTO {_quoted(model._meta.db_table)} ({columns}) VALUES ({places}){ignore}"  # noqa: S608 - names of our own tables


def insert_rows(
    model: type[Model], names: tuple[str, ...], rows: Sequence[Sequence[Any]], *, once: bool = False
) -> None:
    """Inserts rows whose values need no conversion; `once` skips rows that already exist."""
    connection = connections[DEFAULT_DB_ALIAS]
    _execute_many(connection, _insert_statement(model, names, connection.vendor, once=once), rows)


def _execute_many(connection: BaseDatabaseWrapper, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """On PostgreSQL many statements are one message.

    The driver's `executemany` sends a pipeline instead. A process that is frozen in the middle of one keeps its locks,
    because the server waits for the rest without a time limit.
    """
    if not rows:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.executemany(statement, rows)
            return
        for start in range(0, len(rows), _ROWS_PER_MESSAGE):
            some = rows[start : start + _ROWS_PER_MESSAGE]
            cursor.execute("; ".join([statement] * len(some)), list(chain.from_iterable(some)))
