"""Many rows in one statement. Django's bulk calls build SQL per call, which costs more than SQLite's work on the rows.

Portable SQL only: the same text runs on SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import Field, Model


@cache
def _fields(model: type[Model]) -> tuple[Field[Any, Any], ...]:
    """Key last, as an UPDATE needs it."""
    key = model._meta.pk
    return (*(field for field in model._meta.concrete_fields if field is not key), key)


def _column(field: Field[Any, Any]) -> str:
    if field.column is None:
        raise AssertionError("a concrete field has a column")
    return connection.ops.quote_name(field.column)


@cache
def _update_statement(model: type[Model], vendor: str) -> str:
    *fields, key = _fields(model)
    assignments = ", ".join(f"{_column(field)} = %s" for field in fields)
    table = connection.ops.quote_name(model._meta.db_table)
    return f"UPDATE {table} SET {assignments} WHERE {_column(key)} = %s"  # noqa: S608 - names of our own tables


def update_rows(model: type[Model], instances: Iterable[Model]) -> None:
    """Writes every field of each row back. Rows must exist."""
    fields = _fields(model)
    statement = _update_statement(model, connection.vendor)
    values = [
        [field.get_db_prep_save(getattr(instance, field.attname), connection) for field in fields]
        for instance in instances
    ]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(statement, values)


@cache
def _insert_statement(model: type[Model], names: tuple[str, ...], vendor: str, *, once: bool) -> str:
    by_attribute = {field.attname: field for field in _fields(model)}
    columns = ", ".join(_column(by_attribute[name]) for name in names)
    places = ", ".join(["%s"] * len(names))
    ignore = " ON CONFLICT DO NOTHING" if once else ""
    return f"INSERT INTO {connection.ops.quote_name(model._meta.db_table)} ({columns}) VALUES ({places}){ignore}"  # noqa: S608 - names of our own tables


def insert_rows(
    model: type[Model], names: tuple[str, ...], rows: Sequence[Sequence[Any]], *, once: bool = False
) -> None:
    """Inserts rows whose values the database takes as they are; `once` skips those that exist already."""
    if rows:
        statement = _insert_statement(model, names, connection.vendor, once=once)
        with connection.cursor() as cursor:
            cursor.executemany(statement, rows)
