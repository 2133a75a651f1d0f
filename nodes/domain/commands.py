"""What is asked of a node. Frozen values; the codec turns them into protobuf and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodes.domain.states import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """A request for a task, as a person makes it; `nodes.services` validates it.

    Exactly one of `argv`, `shell_line`, `named_task` is set. `node` empty = any node that has the project and a free
    slot.
    """

    project: str = ""
    name: str = ""
    node: str = ""
    argv: tuple[str, ...] = ()
    shell_line: str = ""
    named_task: str = ""
    working_directory: str = ""  # Empty = the project's folder.
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = 0.0  # 0 = none
    stall_after_seconds: float = 0.0  # 0 = the node's default
    close_input: bool = False  # Standard input is /dev/null.


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTask:
    task_id: str
    attempt: int
    spec: TaskSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTask:
    """RETRY never reaches a node."""

    task_id: str
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
