"""Reads the comments on the fields of declared messages.

These comments are the only description of a field: schemas, TypeScript types and documents are generated from them. A
comment belongs to the field below it, or to the field on the same line.
"""

from __future__ import annotations

import ast
import inspect
import io
import tokenize
from collections.abc import Iterable, Mapping
from types import ModuleType

import msgspec

FieldComments = Mapping[str, Mapping[str, str]]


def field_comments_of(modules: Iterable[ModuleType]) -> FieldComments:
    """Comments, possibly empty, by class and JSON name of the field. Fields are in order of declaration, inherited ones
    first. Of classes with the same name, the one of the later module counts.
    """
    own: dict[str, dict[str, str]] = {}
    bases: dict[str, list[str]] = {}
    for module in modules:
        source = inspect.getsource(module)
        comments = _LineComments(source)
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef):
                names = _names_in_json(getattr(module, node.name))
                own[node.name] = {
                    names.get(field.target.id, field.target.id): comments.at(field)
                    for field in node.body
                    if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
                }
                bases[node.name] = [base.id for base in node.bases if isinstance(base, ast.Name)]

    # From the source, because Python 3.11 does not keep the bases of a TypedDict.
    def with_inherited(name: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for base in bases.get(name, ()):
            found = {**found, **{field: text for field, text in with_inherited(base).items() if field not in found}}
        return found | own.get(name, {})

    return {name: with_inherited(name) for name in own}


def _names_in_json(kind: type) -> Mapping[str, str]:
    if not issubclass(kind, msgspec.Struct):
        return {}
    return {field.name: field.encode_name for field in msgspec.structs.fields(kind)}


class _LineComments:
    def __init__(self, source: str) -> None:
        self._own_line: dict[int, str] = {}
        self._beside: dict[int, str] = {}
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                where = self._beside if token.line[: token.start[1]].strip() else self._own_line
                where[token.start[0]] = token.string.removeprefix("#").strip()

    def at(self, field: ast.AnnAssign) -> str:
        lines: list[str] = []
        number = field.lineno - 1
        while number in self._own_line:
            lines.insert(0, self._own_line[number])
            number -= 1
        if beside := self._beside.get(field.end_lineno or field.lineno):
            lines.append(beside)
        return " ".join(lines)
