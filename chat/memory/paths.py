"""Validates paths of memory files and decides which of them a conversation may access. Pure.

Files are database rows, so no path reaches a file system. The rules keep paths simple and scopes separate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chat.contexts import ANY, Context
from chat.errors import MemoryRefused
from nodes.domain.names import has_unseen, normal_name

ROOT = "/memories"
MAX_PATH_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A valid path: the root, a folder or a file. `scope` is "" above all scopes."""

    path: str
    scope: str  # "global", "project/<name>", "node/<name>"

    @property
    def is_in_scope(self) -> bool:
        """Inside a scope's folder, where files can be."""
        return bool(self.scope) and self.path != f"{ROOT}/{self.scope}"


def scopes_of(context: Context) -> tuple[str, ...]:
    """The context's scopes, widest first. A name that is not valid in a path has no scope."""
    scopes = ["global"]
    for kind, name in (("project", context.project), ("node", context.node)):
        if name != ANY and _is_good_name(name) and len(name) <= MAX_PATH_CHARACTERS // 2:
            scopes.append(f"{kind}/{name}")
    return tuple(scopes)


def place_of(path: str, scopes: Sequence[str] | None) -> Place:
    """Parses a path. `scopes` None = every scope (for a person's page). Raises `MemoryRefused`."""
    path = normal_name(path)
    if len(path) > MAX_PATH_CHARACTERS:
        raise MemoryRefused("bad-path", f"A path has at most {MAX_PATH_CHARACTERS} characters.")
    if path != ROOT and not path.startswith(f"{ROOT}/"):
        raise MemoryRefused("bad-path", f"Path must start with {ROOT}, got: {path}")
    names = path.removeprefix(ROOT).rstrip("/").split("/")[1:]
    if not all(map(_is_good_name, names)):
        raise MemoryRefused("bad-path", f"Path {path} would escape {ROOT} directory")
    scope = _scope(names)
    is_own = scopes is None or not scope or scope in scopes
    is_above = len(names) == 1 and names[0] in ("project", "node")
    if not is_own or (names and not scope and not is_above):
        raise MemoryRefused("other-scope", f"Path {path} is outside of this conversation's memory.")
    return Place(path="/".join([ROOT, *names]), scope=scope)


def _scope(names: Sequence[str]) -> str:
    if names[:1] == ["global"]:
        return "global"
    if len(names) >= 2 and names[0] in ("project", "node"):
        return f"{names[0]}/{names[1]}"
    return ""


def _is_good_name(name: str) -> bool:
    return (
        bool(name)
        and not name.startswith(".")  # Includes "." and "..".
        and name == name.strip()
        and not has_unseen(name)
        and not any(character in name for character in "/\\%")
        and name == normal_name(name)
    )
