"""`agentflow.toml`: what a node offers. A bad file stops the start with file, line and reason.

[node]
slots = 4
allow_commands = true

[projects.webshop]
path = "/srv/webshop"                 # relative to this file

[projects.webshop.tasks.build]
argv = ["make", "build"]
timeout_seconds = 1800
stall_after_seconds = 180
description = "Compile and bundle"
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nodes.domain.events import NamedTask, Project
from nodes.errors import ConfigError

DEFAULT_SLOTS = 2
MAX_SLOTS = 1_000

# A file that tells what kind of project a folder is.
MARKERS: Mapping[str, str] = {
    "pyproject.toml": "python",
    "setup.py": "python",
    "requirements.txt": "python",
    "package.json": "node",
    "Cargo.toml": "rust",
    "go.mod": "go",
    "Makefile": "make",
    "CMakeLists.txt": "cmake",
    "pom.xml": "java",
    "build.gradle": "java",
    "build.gradle.kts": "java",
    "Gemfile": "ruby",
    "composer.json": "php",
    "Dockerfile": "docker",
    "compose.yaml": "docker",
}

# Names stand in "project:node" and in URLs.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_NODE_KEYS = frozenset({"slots", "allow_commands"})
_PROJECT_KEYS = frozenset({"path", "tasks"})
_TASK_KEYS = frozenset({"argv", "timeout_seconds", "stall_after_seconds", "description"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    slots: int = DEFAULT_SLOTS
    allow_commands: bool = True
    projects: tuple[Project, ...] = ()


def load_agent_config(path: Path) -> AgentConfig:
    """Raises ConfigError: one line with the file, the line in it and the reason."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"{path} cannot be read: {reason}") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column \d+\)|\(at end of document\)", str(error))
        line = found.group(1) if found and found.group(1) else str(len(text.splitlines()))
        reason = str(error).partition(" (at ")[0]
        raise ConfigError(f"{path}, line {line}: {reason[:1].lower()}{reason[1:]}") from error
    return _Reader(path, text).config(document)


class _Reader:
    """Walks the document; knows the file only to say where something is wrong."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def config(self, document: dict[str, Any]) -> AgentConfig:
        self._only(document, {"node", "projects"}, "")
        node = self._table(document.get("node", {}), "node")
        self._only(node, _NODE_KEYS, "node")
        slots = node.get("slots", DEFAULT_SLOTS)
        if type(slots) is not int or not 1 <= slots <= MAX_SLOTS:
            raise self._wrong(f"slots is {slots!r}: a whole number from 1 to {MAX_SLOTS} is expected", "node", "slots")
        allow_commands = node.get("allow_commands", True)
        if type(allow_commands) is not bool:
            raise self._wrong(
                f"allow_commands is {allow_commands!r}: true or false is expected", "node", "allow_commands"
            )
        projects = self._table(document.get("projects", {}), "projects")
        return AgentConfig(
            slots=slots,
            allow_commands=allow_commands,
            projects=tuple(self._project(name, table) for name, table in projects.items()),
        )

    def _project(self, name: str, table: Any) -> Project:
        where = f"projects.{name}"
        self._check_name(name, where)
        table = self._table(table, where)
        self._only(table, _PROJECT_KEYS, where)
        if not isinstance(table.get("path"), str) or not table["path"]:
            raise self._wrong(f'project {name!r} needs a path, such as path = "/srv/{name}"', where, "path")
        folder = (self._path.parent / Path(table["path"]).expanduser()).resolve()
        if not folder.is_dir():
            raise self._wrong(f"project {name!r}: there is no folder {folder}", where, "path")
        tasks = self._table(table.get("tasks", {}), f"{where}.tasks")
        return Project(
            name=name,
            path=str(folder),
            types=project_types(folder),
            tasks=tuple(self._named_task(task, fields, f"{where}.tasks.{task}") for task, fields in tasks.items()),
        )

    def _named_task(self, name: str, table: Any, where: str) -> NamedTask:
        self._check_name(name, where)
        table = self._table(table, where)
        self._only(table, _TASK_KEYS, where)
        argv = table.get("argv")
        if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv) or not argv[0]:
            raise self._wrong(f'task {name!r} needs argv, a list of words such as ["make", "build"]', where, "argv")
        description = table.get("description", "")
        if not isinstance(description, str):
            raise self._wrong(f"description is {description!r}: a text is expected", where, "description")
        return NamedTask(
            name=name,
            argv=tuple(argv),
            timeout_seconds=self._seconds(table, "timeout_seconds", where),
            stall_after_seconds=self._seconds(table, "stall_after_seconds", where),
            description=description,
        )

    def _seconds(self, table: dict[str, Any], key: str, where: str) -> float:
        value = table.get(key, 0)
        if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
            raise self._wrong(f"{key} is {value!r}: a number of seconds is expected, 0 for none", where, key)
        return float(value)

    def _check_name(self, name: str, where: str) -> None:
        if not _NAME.fullmatch(name):
            raise self._wrong(f"{name!r} is no name: letters, digits, '_', '.' and '-' are allowed, at most 64", where)

    def _table(self, value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            parent, _, key = where.rpartition(".")
            raise self._wrong(f"{where} is {value!r}: a table is expected", parent, key)
        return value

    def _only(self, table: dict[str, Any], allowed: frozenset[str] | set[str], where: str) -> None:
        for key in table:
            if key not in allowed:
                known = ", ".join(sorted(allowed))
                raise self._wrong(f"unknown key {key!r}; known here: {known}", where, key)

    def _wrong(self, reason: str, where: str, key: str = "") -> ConfigError:
        return ConfigError(f"{self._path}, line {self._line_of(where, key)}: {reason}")

    def _line_of(self, where: str, key: str) -> int:
        """Best guess: the key's line below its header, else the header's, else the first."""
        header_line, current = 1, ""
        for number, line in enumerate(self._lines, start=1):
            header = re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line)
            if header:
                current = header.group(1).replace('"', "").replace(" ", "")
                if current == where or (key and current == f"{where}.{key}".lstrip(".")):
                    header_line = number
            elif key and current == where and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""", line):
                return number
        return header_line


def project_types(folder: Path) -> tuple[str, ...]:
    """Found by marker files, in the table's order, each once."""
    return tuple(dict.fromkeys(kind for marker, kind in MARKERS.items() if (folder / marker).exists()))
