"""What the comments in the declarations of messages say about each field.

A declaration is the only place where a field is described: schemas, TypeScript types and documents repeat it. A comment
belongs to the field below it, or to the field on its own line.
"""

from __future__ import annotations

import ast
import inspect
import io
import tokenize
from collections.abc import Iterable, Mapping
from types import ModuleType

import msgspec

Remarks = Mapping[str, Mapping[str, str]]


def remarks_of(modules: Iterable[ModuleType]) -> Remarks:
    """By class and field, as JSON names it: the comment, which may be empty. Fields are in the order of declaration,
    inherited ones first. Of two classes with one name, the later module's counts.
    """
    own: dict[str, dict[str, str]] = {}
    bases: dict[str, list[str]] = {}
    for module in modules:
        source = inspect.getsource(module)
        comments = _Comments(source)
        for node in ast.parse(source).body:
            if isinstance(node, ast.ClassDef):
                names = _names_in_json(getattr(module, node.name))
                own[node.name] = {
                    names.get(field.target.id, field.target.id): comments.at(field)
                    for field in node.body
                    if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
                }
                bases[node.name] = [base.id for base in node.bases if isinstance(base, ast.Name)]

    # Not from the classes: Python 3.11 forgets the bases of a TypedDict.
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


class _Comments:
    def __init__(self, source: str) -> None:
        self._alone: dict[int, str] = {}
        self._beside: dict[int, str] = {}
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                where = self._beside if token.line[: token.start[1]].strip() else self._alone
                where[token.start[0]] = token.string.removeprefix("#").strip()

    def at(self, field: ast.AnnAssign) -> str:
        lines: list[str] = []
        number = field.lineno - 1
        while number in self._alone:
            lines.insert(0, self._alone[number])
            number -= 1
        if beside := self._beside.get(field.end_lineno or field.lineno):
            lines.append(beside)
        return " ".join(lines)
