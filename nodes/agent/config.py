"""`agentflow.toml`: what a node offers. A bad file stops the start with file, line and reason.

[node]
slots = 4
allow_commands = true

[projects.webshop]
path = "/srv/webshop"                 # relative to this file
secrets.patterns = ['WS-[0-9A-F]{12}']  # hidden in output, in RE2's syntax
secrets.values = ["a literal secret"]

[projects.webshop.tasks.build]
argv = ["make", "build"]
timeout_seconds = 1800
stall_after_seconds = 180
description = "Compile and bundle"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import re2
from msgspec import Meta, Struct, defstruct, json, structs

from nodes.agent.announced import announced
from nodes.core.project_secrets import ProjectSecrets
from nodes.core.secret_table import own_pattern
from nodes.domain.commands import MAX_PATH
from nodes.domain.events import NamedTask, Project
from nodes.domain.incoming import NO_NUL, UNKNOWN_FIELD, BadInput, read
from nodes.domain.names import MAX_NAME_CHARACTERS, is_name, normal_name
from nodes.domain.phrases import Phrase, english, in_words, phrase
from nodes.errors import ConfigError

T = TypeVar("T")

DEFAULT_SLOTS = 2
MAX_SLOTS = 1_000
# Of the file, and of what the node announces: half of one message (`nodes.stream.wire.limits`), which also has tasks.
_MAX_BYTES = 512 * 1024

# Marker file → type of the project that contains it.
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


if TYPE_CHECKING:
    _Task = NamedTask
else:
    # A `NamedTask` by the names of its attributes. Its own name is that of the table.
    _Task = defstruct(
        "_Task",
        [(one.name, one.type, one.default) for one in structs.fields(NamedTask) if one.name != "name"],
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )


class _Secrets(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    patterns: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=500)], ...], Meta(max_length=20)] = ()
    # A shorter value would hide ordinary words everywhere.
    values: Annotated[tuple[Annotated[str, Meta(min_length=6, max_length=4096)], ...], Meta(max_length=100)] = ()


class _Project(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    path: Annotated[str, Meta(min_length=1, max_length=MAX_PATH, pattern=NO_NUL)]
    tasks: Mapping[str, _Task] = {}
    secrets: _Secrets = _Secrets()


class _Node(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    slots: Annotated[int, Meta(ge=1, le=MAX_SLOTS)] = DEFAULT_SLOTS
    allow_commands: bool = True


class _File(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    node: _Node = _Node()
    projects: Mapping[str, _Project] = {}


# Most names in a field's path: projects, its name, tasks, its name, field. List indexes may follow.
_DEPTH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    slots: int = DEFAULT_SLOTS
    allow_commands: bool = True
    projects: tuple[Project, ...] = ()
    secrets: Mapping[str, ProjectSecrets] = field(default_factory=dict)  # By project; never announced.

    def announced_projects(self) -> tuple[Project, ...]:
        """The projects as people may see them: without the secrets in their tasks' commands."""
        return tuple(_without_secrets(one, self.secrets.get(one.name, ProjectSecrets())) for one in self.projects)


def _without_secrets(project: Project, secrets: ProjectSecrets) -> Project:
    return structs.replace(project, tasks=tuple(announced(task, secrets) for task in project.tasks))


class BadConfigFile(ConfigError):
    """The file is not usable; `line` 0 = it cannot be read. `reason` is a phrase whose values are texts."""

    def __init__(self, path: Path, line: int, reason: Phrase) -> None:
        super().__init__(path, line, reason)
        self.path = path
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        where = f"{self.path}, line {self.line}" if self.line else f"{self.path} cannot be read"
        return f"{where}: {english([self.reason])}"


def load_agent_config(path: Path) -> AgentConfig:
    """Reads and checks the file. Raises BadConfigFile: one line with the file, the line number and the reason."""
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        text = raw.decode("utf-8")
    except OSError as error:
        raise BadConfigFile(path, 0, phrase("as-said", said=error.strerror or str(error))) from error
    except UnicodeDecodeError as error:
        raise BadConfigFile(path, 0, phrase("not-unicode")) from error
    if len(raw) > _MAX_BYTES:
        raise _too_large(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column \d+\)|\(at end of document\)", str(error))
        line = int(found.group(1)) if found and found.group(1) else len(text.splitlines())
        said = str(error).partition(" (at ")[0]
        raise BadConfigFile(path, line, phrase("as-said", said=f"{said[:1].lower()}{said[1:]}")) from error
    except ValueError as error:  # A number of more digits than Python converts; it does not say where.
        raise BadConfigFile(path, 1, phrase("as-said", said=str(error))) from error
    except RecursionError as error:
        raise BadConfigFile(path, 1, phrase("nested-too-deep")) from error
    config = _Reader(path, text).config(document)
    # As JSON it is never smaller than in the message that announces it.
    if len(json.encode(config.announced_projects())) > _MAX_BYTES:
        raise _too_large(path)
    return config


def _too_large(path: Path) -> BadConfigFile:
    return BadConfigFile(path, 1, phrase("config-too-large", limit=str(_MAX_BYTES // 1024)))


class _Reader:
    """Checks a parsed file. Uses its text only to find the line of an error."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def config(self, document: dict[str, Any]) -> AgentConfig:
        try:
            file = read(_File, document)
        except BadInput as bad:
            raise self._refusal(bad, document) from bad
        projects = list(self._named(file.projects, ("projects",)))
        return AgentConfig(
            slots=file.node.slots,
            allow_commands=file.node.allow_commands,
            projects=tuple(self._project(written, name, project) for written, name, project in projects),
            secrets={name: self._secrets(written, name, project.secrets) for written, name, project in projects},
        )

    def _named(self, tables: Mapping[str, T], where: tuple[str, ...]) -> Iterator[tuple[str, str, T]]:
        """Key as written, name and value of each table. Two spellings of one name are one name."""
        seen: set[str] = set()
        for written, table in tables.items():
            name = normal_name(written)
            if not is_name(name):
                raise self._wrong(phrase("bad-name", name=name, limit=str(MAX_NAME_CHARACTERS)), (*where, written, ""))
            if name in seen:
                raise self._wrong(phrase("same-name", name=name), (*where, written, ""))
            seen.add(name)
            yield written, name, table

    def _project(self, written: str, name: str, project: _Project) -> Project:
        where = ("projects", written)
        try:
            folder = (self._path.parent / Path(project.path).expanduser()).resolve()
            types = project_types(folder) if folder.is_dir() else None
        except (OSError, RuntimeError):  # It cannot be entered, is a loop of links, or names an unknown "~user".
            folder, types = Path(project.path), None
        if types is None:
            raise self._wrong(phrase("project-without-folder", project=name, folder=str(folder)), (*where, "path"))
        return Project(
            name=name,
            path=str(folder),
            types=types,
            tasks=tuple(
                self._named_task(one, task, (*where, "tasks", written))
                for written, one, task in self._named(project.tasks, (*where, "tasks"))
            ),
        )

    def _secrets(self, written: str, name: str, secrets: _Secrets) -> ProjectSecrets:
        for pattern in secrets.patterns:
            where = ("projects", written, "secrets", "patterns")
            try:
                matches_nothing = own_pattern(pattern).search(b"") is not None
            except re2.error as error:
                reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
                raise self._wrong(phrase("bad-pattern", project=name, pattern=pattern, said=reason), where) from error
            if matches_nothing:
                raise self._wrong(phrase("empty-pattern", project=name, pattern=pattern), where)
        return ProjectSecrets(patterns=secrets.patterns, values=secrets.values)

    def _named_task(self, name: str, task: _Task, where: tuple[str, ...]) -> NamedTask:
        if not task.argv[0]:
            raise self._wrong(_needs_argv(name), (*where, "argv"))
        return NamedTask(name=name, **structs.asdict(task))

    def _refusal(self, bad: BadInput, document: dict[str, Any]) -> ConfigError:
        path = bad.path[:_DEPTH]
        match path:
            case ("projects", name, "secrets", key, *_) if bad.code != UNKNOWN_FIELD:
                # The value itself may be a secret.
                path = ("projects", name, "secrets", key)
                reason = _not_as_expected(bad.part, f"{key} of project {name!r}")
            case ("projects", name, "secrets") if bad.code != UNKNOWN_FIELD:
                reason = _not_as_expected(bad.part, f"secrets of project {name!r}")
            case ("projects", name, "path"):
                reason = phrase("project-without-path", project=name)
            case ("projects", _, "tasks", name, "argv"):
                reason = _needs_argv(name)
            case _ if bad.code == UNKNOWN_FIELD:
                reason = phrase("unknown-key", name=path[-1], known=str(bad.part["values"]["known"]))
            case _:
                value = _value_at(document, path)
                # A table may contain secrets.
                reason = _not_as_expected(bad.part, path[-1] if _has_table(value) else f"{path[-1]} is {value!r:.100}")
        return self._wrong(reason, path)

    def _wrong(self, reason: Phrase, path: tuple[str, ...]) -> BadConfigFile:
        *where, key = path
        return BadConfigFile(self._path, self._line_of(".".join(where), key), reason)

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


def _value_at(document: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        document = document[name]
    return document


def _has_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(_has_table(one) for one in value))


def _not_as_expected(why: Phrase, field: str) -> Phrase:
    if why["key"] == "object-expected":
        return phrase("table-expected", field=field)  # TOML calls an object a table.
    values = {name: in_words(value, {}) for name, value in why["values"].items()}
    return phrase(why["key"], **{**values, "field": field})


def _needs_argv(task: str) -> Phrase:
    return phrase("task-without-argv", task=task)


def project_types(folder: Path) -> tuple[str, ...]:
    """Found by marker files, in the table's order, each once."""
    return tuple(dict.fromkeys(kind for marker, kind in MARKERS.items() if (folder / marker).exists()))
