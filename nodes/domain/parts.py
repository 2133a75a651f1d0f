"""One of AgentFlow's own messages as data: one or more parts, each a code and the values of its sentence.

The English sentence is sent alongside: for programs, for logs, and for readers that do not know a code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nodes.domain.part_texts import in_english, record


@dataclass(frozen=True, slots=True)
class Part:
    code: str
    # By name. Numbers are already formatted, so that every reader shows the same digits. Values may be hostile text.
    values: Mapping[str, str]


def part(code: str, /, **values: str) -> Part:
    return Part(code, values)


def english(parts: Iterable[Part]) -> str:
    return in_english([record(one.code, **one.values) for one in parts])


def as_json(parts: Sequence[Part]) -> list[dict[str, Any]] | None:
    """The form that rows and messages hold; None = no parts."""
    return [{"code": one.code, "values": dict(one.values)} for one in parts] or None


def from_json(records: Any) -> tuple[Part, ...]:
    """The reverse of `as_json`. Trusts that `as_json` wrote the record."""
    return tuple(Part(one["code"], one["values"]) for one in records or ())
