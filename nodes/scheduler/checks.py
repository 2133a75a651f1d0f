"""Whether a request makes sense at all, before anything is stored. Pure; errors say what to do."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from nodes.domain.commands import TaskSpec
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
        raise TaskRejected(INVALID, "Give exactly one of a command (argv), a shell line and a named task.")
    if spec.named_task and not spec.project:
        raise TaskRejected(INVALID, "A named task belongs to a project: name the project too.")
    _check_command(spec)
    _check_environment(spec)
    for text, limit, what in (
        (spec.name, _MAX_NAME, "name"),
        (spec.project, _MAX_NAME, "project's name"),
        (spec.named_task, _MAX_NAME, "named task"),
        (spec.node, 64, "node's name"),
        (spec.working_directory, _MAX_PATH, "working directory"),
    ):
        if len(text) > limit:
            raise TaskRejected(INVALID, f"The {what} is longer than {limit} characters.")
        _check_text((text,), f"The {what}")
    for seconds, what in ((spec.timeout_seconds, "time-out"), (spec.stall_after_seconds, "stall limit")):
        if not (math.isfinite(seconds) and 0 <= seconds <= _MAX_SECONDS):
            raise TaskRejected(INVALID, f"The {what} must be between 0 (none) and {_MAX_SECONDS:.0f} seconds.")


def check_input(content: bytes) -> None:
    if len(content) > MAX_INPUT_BYTES:
        raise TaskRejected(INVALID, f"Send at most {MAX_INPUT_BYTES} bytes of input at once.")


def _check_command(spec: TaskSpec) -> None:
    if spec.argv:
        if not spec.argv[0]:
            raise TaskRejected(INVALID, "The command's first word is empty: name a program.")
        if len(spec.argv) > MAX_ARGUMENTS:
            raise TaskRejected(INVALID, f"A command has at most {MAX_ARGUMENTS} arguments.")
    words = (*spec.argv, spec.shell_line)
    _check_text(words, "The command")
    if sum(len(word.encode()) for word in words) > MAX_COMMAND_BYTES:
        raise TaskRejected(INVALID, f"The command is longer than {MAX_COMMAND_BYTES} bytes: put it into a script.")


def _check_environment(spec: TaskSpec) -> None:
    if len(spec.environment) > MAX_ENVIRONMENT_VARIABLES:
        raise TaskRejected(INVALID, f"Set at most {MAX_ENVIRONMENT_VARIABLES} environment variables.")
    for name in spec.environment:
        if not _VARIABLE.fullmatch(name):
            raise TaskRejected(
                INVALID, f"{name[:40]!r} is no name of an environment variable: letters, digits and _, no digit first."
            )
    _check_text(spec.environment.values(), "An environment variable")
    if sum(len(name) + len(value.encode()) for name, value in spec.environment.items()) > MAX_ENVIRONMENT_BYTES:
        raise TaskRejected(INVALID, f"The environment is larger than {MAX_ENVIRONMENT_BYTES} bytes.")


def _check_text(texts: Iterable[str], what: str) -> None:
    for text in texts:
        if "\x00" in text:
            raise TaskRejected(INVALID, f"{what} holds a NUL character.")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise TaskRejected(INVALID, f"{what} is not valid text.") from None
