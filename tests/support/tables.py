"""Runs a table of cases in one test and reports every row that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Row = TypeVar("Row")


def check_rows(rows: Iterable[Row], check: Callable[[Row], None]) -> None:
    table = list(rows)
    wrong = []
    for row in table:
        try:
            check(row)
        except Exception as exc:  # noqa: BLE001 - a row that raises hides no other row
            wrong.append(f"{row!r}\n    {type(exc).__name__}: {exc}")
    assert table, "the table has no rows"
    assert not wrong, "\n".join([f"{len(wrong)} of {len(table)} rows are wrong", *wrong])
