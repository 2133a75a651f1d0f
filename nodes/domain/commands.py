"""Task requests and commands as frozen values, and their validation. The codec converts them to protobuf.

`TaskSpec` is the only declaration of a task request; WebSocket, REST, the gateway and the store use it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from nodes.domain.incoming import (
    BAD_FIELD,
    MAX_TEXT,
    NO_NUL,
    BadInput,
    Name,
    NotEmpty,
    OptionalId,
    Text,
    read,
)
from nodes.domain.names import has_unseen, normal_name
from nodes.domain.phrases import Phrase, english, phrase
from nodes.domain.states import Action
from nodes.errors import ProtocolViolation, TaskRejected

INVALID = "invalid"

MAX_ARGUMENTS = 1_000
MAX_COMMAND_BYTES = 64 << 10
MAX_ENVIRONMENT_VARIABLES = 200
MAX_ENVIRONMENT_BYTES = 64 << 10
MAX_INPUT_BYTES = 64 << 10
MAX_PATH = 4_096
MAX_REASON = 500
MAX_SECONDS = 366 * 86_400.0
SHELL = "/bin/sh"  # Runs shell lines.

Argv = Annotated[tuple[Text, ...], Meta(max_length=MAX_ARGUMENTS)]
Seconds = Annotated[float, Meta(ge=0, le=MAX_SECONDS)]
_Variable = Annotated[
    str,
    Meta(min_length=1, max_length=MAX_TEXT, pattern=r"^[^=\u0000]*$", extra={"expected": "variable-name-expected"}),
]
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_REFUSED_AS = "refused-as"


def _refused_as(code: str) -> Meta:
    """The sentence, with `limit`, for a field that exceeds its limit, instead of the generic one of `incoming`."""
    return Meta(extra={_REFUSED_AS: code})


# The fields of which exactly one is set.
WAYS_TO_RUN = ("named_task", "argv", "shell_line")


class TaskSpec(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A request to run a task. The constructor checks nothing: `read` and `check_spec` do.

    Exactly one of `argv`, `shell_line`, `named_task` is set. `node` empty = any node that has the project and a free
    slot.
    """

    # In which it runs.
    project: Annotated[Name, _refused_as("long-project")] = ""
    # Shown to everyone; default: the named task, or "command" and the start of the task's id.
    name: Annotated[Name, _refused_as("long-name")] = ""
    # Default: any node that has the project and a free slot.
    node: Annotated[OptionalId, _refused_as("long-node")] = ""
    # A command as a list of words; for administrators.
    argv: Annotated[Argv, _refused_as("many-arguments")] = ()
    # A line for the shell; for administrators.
    shell_line: Text = ""
    # A task that the node's configuration names; needs `project`.
    named_task: Annotated[Name, _refused_as("long-named-task")] = ""
    # For administrators; default: the project's folder.
    working_directory: Annotated[str, Meta(max_length=MAX_PATH, pattern=NO_NUL), _refused_as("long-directory")] = ""
    # For administrators; added to the agent's clean environment.
    environment: Annotated[
        Mapping[_Variable, Text], Meta(max_length=MAX_ENVIRONMENT_VARIABLES), _refused_as("many-variables")
    ] = {}
    timeout_seconds: Annotated[Seconds, _refused_as("bad-timeout")] = 0.0  # 0 = none.
    stall_after_seconds: Annotated[Seconds, _refused_as("bad-stall-limit")] = 0.0  # 0 = the node's default.
    close_input: bool = False  # Its standard input is empty.


class NewTask(TaskSpec, frozen=True, kw_only=True):
    """A `TaskSpec` as a client sends it, alone or as fields of a message."""

    def __post_init__(self) -> None:
        if not has_one_way_to_run(self):
            raise BadInput(BAD_FIELD, (), phrase("one-way-to-run-expected"))

    @property
    def spec(self) -> TaskSpec:
        return TaskSpec(**{name: getattr(self, name) for name in TaskSpec.__struct_fields__})


def is_free_command(spec: TaskSpec) -> bool:
    """Whether the request, and not only a node's configuration, decides what runs.

    Starting, answering and retrying such a task needs the right to run commands. So does a request that the Leader
    does not have: it could be anything. The environment affects a program as much as its arguments (PATH, LD_PRELOAD,
    BASH_ENV), and so does its folder (a Makefile).
    """
    is_named = bool(spec.named_task) and not spec.argv and not spec.shell_line
    return not is_named or bool(spec.environment or spec.working_directory)


def default_name(spec: TaskSpec, task_id: str) -> str:
    """The name of a task without one. Everyone sees names, so it contains nothing of a command."""
    return spec.name or spec.named_task or f"command {task_id[:8]}"


class Seen(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The task as the person saw it. The request is refused with the code `stale` if it has changed since."""

    attempt: Annotated[int, Meta(ge=1, le=1 << 31)]  # The newest attempt.
    node: OptionalId | UnsetType = UNSET  # The node of that attempt; empty = none yet.
    line: Annotated[int, Meta(ge=0, le=1 << 53)] | UnsetType = UNSET  # The attempt's last line of output.


class ControlSpec(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A client's request to an existing task."""

    action: Action
    # For `input`: written to the task's standard input unchanged; include the newline.
    input: Text = ""
    close_input: bool = False  # For `input`: closes it afterwards.
    reason: Annotated[str, Meta(max_length=MAX_REASON, pattern=NO_NUL)] = ""  # Shown with the command.
    ref: OptionalId = ""  # The client's own id for this request; `COMMAND` messages repeat it.
    # For `retry`: the `definition` in the `details` of an error `definition-changed`; accepts exactly that change.
    definition: OptionalId = ""
    # What the person saw when they decided.
    seen: Seen | UnsetType = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedCommand:
    """What a node runs for a request, without secrets. Long values are shortened: it is for people."""

    argv: tuple[str, ...] = ()
    working_directory: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    definition: str = ""  # `NamedTask.digest`; empty = the request alone decided.


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTask:
    task_id: str
    attempt: int
    spec: TaskSpec
    resolved: ResolvedCommand | None = None  # Set by the node that runs it; earlier versions and base clients do not.


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTask:
    """RETRY never reaches a node."""

    task_id: NotEmpty
    action: Action
    reason: str = ""
    input: bytes = b""
    close_input: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """At least once on the wire, at most once in effect: `command_id` is the idempotency key."""

    command_id: str
    body: StartTask | ControlTask
    target_node_id: str = ""  # Empty = the node at the other end of the stream.
    ttl_seconds: float = 0.0  # Counted from receipt on the node's monotonic clock; 0 = none.
    epoch: int = 0


# --- a spec as JSON -------------------------------------------------------------------------------

_WIRE_NAMES = {field.name: field.encode_name for field in msgspec.structs.fields(TaskSpec)}


def spec_to_json(spec: TaskSpec) -> dict[str, Any]:
    """The form for the store and the gateway: attribute names as keys, defaults omitted."""
    values: dict[str, Any] = {name: getattr(spec, name) for name in _WIRE_NAMES}
    return {name: msgspec.to_builtins(value) for name, value in values.items() if value}


def spec_from_json(values: Mapping[str, Any]) -> TaskSpec:
    """Reads what another process sent. Raises `ProtocolViolation`."""
    try:
        return read(TaskSpec, {_WIRE_NAMES.get(name, name): value for name, value in values.items()})
    except BadInput as bad:
        raise ProtocolViolation(f"task spec: {bad}") from bad


def stored_spec(values: Mapping[str, Any]) -> TaskSpec:
    """Reads what `spec_to_json` stored here, without checks: a limit lowered since must not make it unreadable."""
    return TaskSpec(**{**values, "argv": tuple(values.get("argv", ()))})


# --- validation -----------------------------------------------------------------------------------


def has_one_way_to_run(spec: TaskSpec) -> bool:
    return sum(1 for way in WAYS_TO_RUN if getattr(spec, way)) == 1


def with_normal_names(spec: TaskSpec) -> TaskSpec:
    """The request with every name in its one spelling, as nodes report theirs."""
    names = {name: normal_name(getattr(spec, name)) for name in ("project", "named_task", "name")}
    return msgspec.structs.replace(spec, **names)


def check_spec(spec: TaskSpec) -> None:
    """Raises `TaskRejected` with the code "invalid" and a message that says what to do."""
    if not has_one_way_to_run(spec):
        raise _invalid(phrase("one-way-to-run"))
    if spec.named_task and not spec.project:
        raise _invalid(phrase("name-the-project"))
    if spec.argv and not spec.argv[0]:
        raise _invalid(phrase("no-program"))
    command = (*spec.argv, spec.shell_line)
    _check_text(getattr(spec, name) for name in TaskSpec.__struct_fields__)
    if has_unseen(spec.project) or has_unseen(spec.named_task):
        raise _invalid(phrase("unseen-characters"))
    for name in spec.environment:
        if not _VARIABLE.fullmatch(name):
            raise _invalid(phrase("bad-variable-name", name=name[:40]))
    if sum(len(word.encode()) for word in command) > MAX_COMMAND_BYTES:
        raise _invalid(phrase("long-command", limit=str(MAX_COMMAND_BYTES)))
    if sum(len(name) + len(value.encode()) for name, value in spec.environment.items()) > MAX_ENVIRONMENT_BYTES:
        raise _invalid(phrase("long-environment", limit=str(MAX_ENVIRONMENT_BYTES)))
    try:
        read(TaskSpec, msgspec.to_builtins(spec))
    except BadInput as bad:
        raise _invalid(_refusal(bad)) from bad


def check_input(content: bytes) -> None:
    """Raises `TaskRejected` with the code "invalid"."""
    if len(content) > MAX_INPUT_BYTES:
        raise _invalid(phrase("long-input", limit=str(MAX_INPUT_BYTES)))


def _check_text(values: Iterable[Any]) -> None:
    """All text within the values."""
    for value in values:
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                raise _invalid(phrase("not-text")) from None
            if "\x00" in value:
                raise _invalid(phrase("not-text"))
        elif isinstance(value, Mapping):
            _check_text((*value, *value.values()))
        elif isinstance(value, tuple):
            _check_text(value)


def _refusal(bad: BadInput) -> Phrase:
    declared = next(one.type for one in msgspec.structs.fields(TaskSpec) if one.encode_name == bad.path[0])
    limits = [mark for mark in get_args(declared) if isinstance(mark, Meta)]
    code = next((mark.extra[_REFUSED_AS] for mark in limits if mark.extra), None)
    if code is None:
        return bad.part
    limit = next(most for mark in limits if (most := mark.max_length or mark.le) is not None)
    return phrase(code, limit=f"{limit:.0f}")


def _invalid(why: Phrase) -> TaskRejected:
    return TaskRejected(INVALID, english([why]), [why])
