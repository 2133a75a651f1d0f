"""Whether a request makes sense at all, before anything is stored. Pure; errors say what to do."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from nodes.domain.commands import TaskSpec
from nodes.domain.parts import Part, english, part
from nodes.errors import TaskRejected

INVALID = "invalid"

MAX_ARGUMENTS = 1_000
MAX_COMMAND_BYTES = 64 * 1024
MAX_ENVIRONMENT_VARIABLES = 200
MAX_ENVIRONMENT_BYTES = 64 * 1024
MAX_INPUT_BYTES = 64 * 1024
_MAX_SECONDS = 366 * 86_400.0
_MAX_NAME = 200
_MAX_PATH = 4_096
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_spec(spec: TaskSpec) -> None:
    """Raises `TaskRejected` with the code "invalid"."""
    ways = [name for name in ("argv", "shell_line", "named_task") if getattr(spec, name)]
    if len(ways) != 1:
        raise _invalid(part("one-way-to-run"))
    if spec.named_task and not spec.project:
        raise _invalid(part("name-the-project"))
    _check_command(spec)
    _check_environment(spec)
    for text, limit, what in (
        (spec.name, _MAX_NAME, "name"),
        (spec.project, _MAX_NAME, "project"),
        (spec.named_task, _MAX_NAME, "named-task"),
        (spec.node, 64, "node"),
        (spec.working_directory, _MAX_PATH, "directory"),
    ):
        if len(text) > limit:
            raise _invalid(part(f"long-{what}", limit=str(limit)))
        _check_text((text,))
    for seconds, code in ((spec.timeout_seconds, "bad-timeout"), (spec.stall_after_seconds, "bad-stall-limit")):
        if not (math.isfinite(seconds) and 0 <= seconds <= _MAX_SECONDS):
            raise _invalid(part(code, limit=f"{_MAX_SECONDS:.0f}"))


def check_input(content: bytes) -> None:
    if len(content) > MAX_INPUT_BYTES:
        raise _invalid(part("long-input", limit=str(MAX_INPUT_BYTES)))


def _check_command(spec: TaskSpec) -> None:
    if spec.argv:
        if not spec.argv[0]:
            raise _invalid(part("no-program"))
        if len(spec.argv) > MAX_ARGUMENTS:
            raise _invalid(part("many-arguments", limit=str(MAX_ARGUMENTS)))
    words = (*spec.argv, spec.shell_line)
    _check_text(words)
    if sum(len(word.encode()) for word in words) > MAX_COMMAND_BYTES:
        raise _invalid(part("long-command", limit=str(MAX_COMMAND_BYTES)))


def _check_environment(spec: TaskSpec) -> None:
    if len(spec.environment) > MAX_ENVIRONMENT_VARIABLES:
        raise _invalid(part("many-variables", limit=str(MAX_ENVIRONMENT_VARIABLES)))
    for name in spec.environment:
        if not _VARIABLE.fullmatch(name):
            raise _invalid(part("bad-variable-name", name=name[:40]))
    _check_text(spec.environment.values())
    if sum(len(name) + len(value.encode()) for name, value in spec.environment.items()) > MAX_ENVIRONMENT_BYTES:
        raise _invalid(part("long-environment", limit=str(MAX_ENVIRONMENT_BYTES)))


def _check_text(texts: Iterable[str]) -> None:
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _invalid(part("not-text")) from None
        if "\x00" in text:
            raise _invalid(part("not-text"))


def _invalid(why: Part) -> TaskRejected:
    return TaskRejected(INVALID, english([why]), [why])
