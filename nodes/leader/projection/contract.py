"""The messages about the fleet that dashboards receive, and their parts, each declared once.

`manage.py contract` writes the JSON Schemas (docs/schemas), the TypeScript types and the lists of docs/websocket.md
from these declarations: a docstring says what a message or an object is, a comment what a field means. Ids and 64-bit
numbers are strings; times named `…At` and `at` are Unix milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from nodes.domain.states import Action, CommandState, Lane, LogLevel, LogStream, NodeState, Role, TaskHealth, TaskState


def one_of(name: str, words: Iterable[str]) -> Meta:
    """One of these words: text in Python, as rows store it; a type of this name in TypeScript."""
    return Meta(title=name, extra_json_schema={"enum": [str(word) for word in words]})


FeedNumber = Annotated[str, Meta(pattern="^[0-9]{1,19}$")]
LinkState = Annotated[str, one_of("LinkState", ("ok", "suspect", "down"))]
NodeRoleWord = Annotated[str, one_of("NodeRole", Role)]
NodeStateWord = Annotated[str, one_of("NodeState", NodeState)]
TaskStateWord = Annotated[str, one_of("TaskState", TaskState)]
TaskHealthWord = Annotated[str, one_of("TaskHealth", TaskHealth)]
CommandKind = Annotated[str, one_of("CommandKind", ("start", *Action))]
CommandStateWord = Annotated[str, one_of("CommandState", CommandState)]
AlertLevel = Annotated[str, one_of("AlertLevel", ("error", "warning"))]
LaneWord = Annotated[str, one_of("Lane", Lane)]
LogLevelWord = Annotated[str, one_of("LogLevel", LogLevel)]
LogStreamWord = Annotated[str, one_of("LogStream", LogStream)]


class Positioned(TypedDict):
    """A message with its position in the feed of one store."""

    store: str
    seq: FeedNumber


class Moment(TypedDict, total=False):
    # Absent where a state is sent again to a client of the base messages.
    at: int


class Usage(TypedDict):
    """In bytes."""

    used: int
    total: int
    percent: float | None


class Gpu(TypedDict):
    name: str
    # Percent.
    utilization: float | None
    memory: Usage | None
    # Degrees Celsius.
    temperature: float | None


class NamedTask(TypedDict):
    """A task that a node's configuration names."""

    name: str
    argv: list[str]
    # 0 = none.
    timeoutSeconds: float
    # 0 = the node's default.
    stallAfterSeconds: float
    description: str


class Project(TypedDict):
    name: str
    path: str
    types: list[str]
    tasks: list[NamedTask]


class Capabilities(TypedDict, total=False):
    """What a node can do; empty for a node that has not registered yet."""

    os: str
    architecture: str
    cpuCount: int
    memoryBytes: int
    pythonVersion: str
    agentVersion: str
    gpus: list[Gpu]
    projects: list[Project]
    slots: int
    allowsCommands: bool
    pauseMethod: str


class Link(TypedDict):
    """The stream from a node to its parent."""

    state: LinkState
    rttMs: float | None


class MetricsFields(TypedDict):
    # Percent.
    cpu: float | None
    memory: Usage | None
    disk: Usage | None
    # Average of one minute.
    load: float | None
    gpus: list[Gpu]


class NodeStatus(MetricsFields):
    """A node and its newest metrics."""

    id: str
    name: str
    role: NodeRoleWord
    # Id of the node it is connected to.
    parent: str
    state: NodeStateWord
    # When it entered this state.
    stateSince: int | None
    link: Link
    lastSeenAt: int | None
    capabilities: Capabilities
    slots: int
    # Attempts that occupy a slot.
    running: int
    # It supports only the base messages.
    base: bool
    version: FeedNumber


class MessagePart(TypedDict):
    """A clause of one of AgentFlow's own messages."""

    code: str
    # To fill in; they may be hostile.
    values: dict[str, str]


class TaskInfo(TypedDict):
    """A task and its latest attempt."""

    id: str
    name: str
    project: str
    node: str
    # The requested node; empty = any.
    targetNode: str
    state: TaskStateWord
    health: TaskHealthWord
    attempt: int
    # 0 to 1.
    progress: Annotated[float, Meta(ge=0, le=1)] | None
    message: str
    messageParts: list[MessagePart]
    # Negative = ended by this signal.
    exitCode: int | None
    # Why it is not assigned yet.
    pendingReason: str
    pendingParts: list[MessagePart]
    # As a person would type it.
    command: str
    # Its standard input is open.
    acceptsInput: bool
    # Some of its processes still run although it is paused.
    partialPause: bool
    # Lines of output that were dropped because they came too fast.
    suppressedLines: int
    createdBy: str
    createdAt: int
    startedAt: int | None
    endedAt: int | None
    nodeState: NodeStateWord | None
    # Since when its node is unreachable while the task should be running.
    unknownSince: int | None
    version: FeedNumber


class AlertInfo(TypedDict):
    id: str
    level: AlertLevel
    kind: str
    message: str
    messageParts: list[MessagePart]
    node: str
    task: str
    # Also of a task that is gone.
    taskName: str
    # 0 = it is about no task.
    attempt: int
    # Ids of the evidence.
    evidence: list[str]
    openedAt: int
    # Null = it is open.
    resolvedAt: int | None
    acknowledgedAt: int | None
    acknowledgedBy: str


class CommandInfo(TypedDict):
    """A request to a node, and what has become of it."""

    id: str
    kind: CommandKind
    task: str
    attempt: int
    node: str
    state: CommandStateWord
    # Why it failed, for programs.
    code: str
    message: str
    messageParts: list[MessagePart]
    # As the client that sent it chose it.
    ref: str
    # Who sent it.
    actor: str
    createdAt: int
    # When it entered this state.
    changedAt: int


# Id, line number in the attempt, time at the origin, level, stream, text (hostile: never render it as HTML).
WireLine = tuple[FeedNumber, int, int, LogLevelWord, LogStreamWord, str]


class NodeStatusMessage(Positioned, Moment):
    """A node changed."""

    type: Literal["NODE_STATUS"]
    node: NodeStatus


class MetricsMessage(MetricsFields):
    """Ephemeral: the newest wins; it has no position in the feed."""

    type: Literal["METRICS"]
    at: int
    # Its id.
    node: str
    linkRttMs: float | None


class TaskUpdate(Positioned, Moment):
    """A task changed."""

    type: Literal["TASK_UPDATE"]
    task: TaskInfo


class LogBatch(Positioned):
    """New lines of output."""

    type: Literal["LOG"]
    node: str
    task: str
    attempt: int
    # Each is `[id, number in the attempt, at, level, stream, text]`.
    lines: list[WireLine]


class AlertMessage(Positioned, Moment, AlertInfo):
    """An alert was opened, acknowledged or resolved."""

    type: Literal["ALERT"]


class CommandMessage(Positioned):
    """A command entered a new state."""

    type: Literal["COMMAND"]
    at: int
    command: CommandInfo


# "from" is a keyword of Python.
GapRange = TypedDict("GapRange", {"from": FeedNumber, "to": FeedNumber})


class JournalGapFields(GapRange):
    # `trimmed`, `oversize`, `damaged` (a replaced journal), `missing` …
    reason: str
    lane: LaneWord
    node: str
    # Empty = unknown.
    task: str
    attempt: int
    # 0 = unknown.
    firstLine: int
    # How many are missing from there on; 0 = unknown.
    lines: int


class JournalGap(Positioned, JournalGapFields):
    """What a node dropped or no longer has: entries `from` to `to` of its journal ("0" if only lines are known). It
    cannot be recovered.
    """

    type: Literal["GAP"]
    at: int


class StoreTrouble(TypedDict):
    """Whether the Leader's database accepts writes. While it does not, nothing new is stored or shown; reading works
    and tasks continue. It has no position in the feed.
    """

    type: Literal["STORE"]
    at: int
    state: Annotated[str, one_of("StoreState", ("ok", "failing"))]
    reason: Annotated[str, one_of("StoreReason", ("", "full", "locked", "unreachable", "error"))]
    message: str
    # Since when it rejects writes.
    since: int | None


FleetMessage = (
    NodeStatusMessage
    | MetricsMessage
    | TaskUpdate
    | LogBatch
    | AlertMessage
    | CommandMessage
    | JournalGap
    | StoreTrouble
)


class FleetState(TypedDict, total=False):
    """The fleet's part of a SNAPSHOT; which fields it has depends on the topics."""

    nodes: list[NodeStatus]
    tasks: list[TaskInfo]
    alerts: list[AlertInfo]
    # Open ones, and those settled within ten minutes; with `tasks` or `task:<id>`.
    commands: list[CommandInfo]
    # The newest lines.
    logs: list[LogBatch]
    # Null = the database accepts writes.
    trouble: StoreTrouble | None
