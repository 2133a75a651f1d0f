"""What a node reports to its parent. Frozen values; `nodes.stream.wire.codec` converts them to protobuf and back.

Times named `*_ms` are Unix milliseconds on the origin's clock: shown to people, never compared across machines.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta, Struct, structs

from nodes.domain.commands import MAX_ARGUMENTS, Seconds, StartTask, TaskSpec
from nodes.domain.incoming import NotEmpty, NotNegative, Share, Text
from nodes.domain.phrases import Phrase
from nodes.domain.states import CommandState, Lane, LogLevel, LogStream, NodeState, Role, TaskHealth, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStatus:
    """The complete state of one attempt, not a difference: applying it twice changes nothing."""

    task_id: NotEmpty
    state: TaskState
    attempt: int = 1
    name: str = ""
    project: str = ""
    progress: Share | None = None
    message: str = ""  # Last progress message, or why the attempt ended.
    message_parts: tuple[Phrase, ...] = ()  # The message as data, if it is AgentFlow's own.
    exit_code: int | None = None  # -N = ended by signal N.
    started_at_ms: int = 0  # 0 = not started yet.
    ended_at_ms: int = 0
    cpu_seconds: NotNegative = 0.0  # Whole tree; set at the end.
    peak_memory_bytes: int = 0
    paused_seconds: NotNegative = 0.0
    partial_pause: bool = False  # Paused, but some processes of the tree are still running.
    suppressed_lines: int = 0
    redacted: int = 0  # Secrets replaced in the output.
    withheld_lines: int = 0  # Lines replaced as a whole, because the search for secrets would have taken too long.
    pid: int = 0
    accepts_input: bool = False
    request: StartTask | None = None  # Set with the first RUNNING and in snapshots.


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuMetrics:
    name: str
    utilization_percent: float = 0.0
    memory_used_bytes: int = 0
    memory_total_bytes: int = 0
    temperature_celsius: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    cpu_percent: NotNegative  # 0..100 over all cores
    memory_used_bytes: int
    memory_total_bytes: int
    disk_used_bytes: int
    disk_total_bytes: int
    load_1m: NotNegative = 0.0
    gpus: tuple[GpuMetrics, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    id: str
    kind: str
    text: str  # Hostile text: data, never an instruction.


@dataclass(frozen=True, slots=True, kw_only=True)
class StallAlert:
    task_id: NotEmpty
    verdict: TaskHealth  # HEALTHY = recovered.
    reason: str
    reason_parts: tuple[Phrase, ...] = ()  # The reason as data.
    silent_seconds: NotNegative = 0.0
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of output. Positional on purpose: built once per line on the hot path."""

    at_ms: int
    level: LogLevel
    stream: LogStream
    text: bytes  # Raw, without the newline; hostile.
    truncated_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogBatch:
    task_id: NotEmpty
    attempt: int
    first_line: int  # Number of the first line in this attempt's output, from 1.
    lines: tuple[LogLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """`state` is one of ACKED, SUCCEEDED, FAILED, EXPIRED, UNKNOWN."""

    command_id: NotEmpty
    state: CommandState
    message: str = ""  # For a person.
    code: str = ""  # For a program: "busy", "no-such-task", "finished", "partial" …


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Entries that the origin dropped on purpose; `from_seq` and `to_seq` are inclusive."""

    from_seq: int
    to_seq: int
    reason: str
    task_id: str = ""
    lines: int = 0


# What a node offers. Structs, whose limits are those of agentflow.toml; dashboards receive them in camel case.


class NamedTask(Struct, frozen=True, kw_only=True, rename="camel"):
    """A task that a node's configuration names."""

    name: NotEmpty
    argv: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=MAX_ARGUMENTS)]
    timeout_seconds: Seconds = 0.0  # 0 = none.
    stall_after_seconds: Seconds = 0.0  # 0 = the node's default.
    description: Text = ""

    @property
    def digest(self) -> str:
        """Equal for definitions that run the same, on any node: the project's folder and descriptions do not count."""
        what = [list(self.argv), float(self.timeout_seconds), float(self.stall_after_seconds)]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]

    def complete(self, spec: TaskSpec) -> TaskSpec:
        """The request with this task's values where it sets none."""
        return structs.replace(spec, **{name: getattr(self, name) for name in _DEFAULTS if not getattr(spec, name)})


# Fields of a request too; both declarations use the same name.
_DEFAULTS = {*NamedTask.__struct_fields__} & {*TaskSpec.__struct_fields__} - {"name", "argv"}


class Project(Struct, frozen=True, kw_only=True, rename="camel"):
    name: NotEmpty
    path: str
    types: tuple[str, ...] = ()  # Found by marker files: "python", "node", "rust", "go", "make" …
    tasks: tuple[NamedTask, ...] = ()


class Capabilities(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a node can do; empty for a node that has not registered yet."""

    os: str = ""
    architecture: str = ""
    cpu_count: int = 0
    memory_bytes: int = 0
    python_version: str = ""
    agent_version: str = ""
    gpus: tuple[GpuMetrics, ...] = ()
    projects: tuple[Project, ...] = ()
    slots: int = 0
    allows_commands: bool = False
    pause_method: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReport:
    """What a node is, and its place in the tree."""

    role: Role
    parent: str = ""  # Empty = the receiver.
    state: NodeState = NodeState.ONLINE
    capabilities: Capabilities = field(default_factory=Capabilities)
    link_rtt_ms: NotNegative = 0.0  # 0 = unknown.
    address: str = ""
    config_trouble: tuple[Phrase, ...] = ()  # Why it does not use its changed configuration.


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalMark:
    journal_id: NotEmpty
    seq: int
    node_id: str = ""
    lane: Lane = Lane.STATES
    first_seq: int = 0  # Oldest entry still held; 0 = no entries.


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A node's complete current state at `positions`; journal entries up to there only add history."""

    tasks: tuple[TaskStatus, ...]
    positions: tuple[JournalMark, ...]
    report: NodeReport
    metrics: Metrics | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Goodbye:
    reason: str = ""


Payload = TaskStatus | Metrics | StallAlert | LogBatch | CommandResult | Gap | Snapshot | NodeReport | Goodbye


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One message of a node. `seq` 0 = ephemeral: not journaled, may be dropped."""

    node_id: str
    payload: Payload
    timestamp_ms: int = 0
    journal_id: str = ""
    seq: int = 0
