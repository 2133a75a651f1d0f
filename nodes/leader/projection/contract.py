"""The messages about the fleet that dashboards receive, and their parts, each declared once.

`manage.py contract` writes the JSON Schemas (docs/schemas) and the page's TypeScript types from these declarations.
Ids and 64-bit numbers are strings; times named `…At` and `at` are Unix milliseconds.
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
    """`at`: when it was committed; absent in what is sent again to a client of the base messages."""

    at: int


class Usage(TypedDict):
    used: int
    total: int
    percent: float | None


class Gpu(TypedDict):
    name: str
    utilization: float | None
    memory: Usage | None
    temperature: float | None


class NamedTask(TypedDict):
    name: str
    argv: list[str]
    timeoutSeconds: float
    stallAfterSeconds: float
    description: str


class Project(TypedDict):
    name: str
    path: str
    types: list[str]
    tasks: list[NamedTask]


class Capabilities(TypedDict, total=False):
    """Empty for a node that has not registered yet."""

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
    """From a node to its parent."""

    state: LinkState
    rttMs: float | None


class MetricsFields(TypedDict):
    cpu: float | None
    memory: Usage | None
    disk: Usage | None
    load: float | None
    gpus: list[Gpu]


class NodeStatus(MetricsFields):
    id: str
    name: str
    role: NodeRoleWord
    parent: str
    state: NodeStateWord
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
    """One of AgentFlow's own messages: its code, and the values to fill in."""

    code: str
    values: dict[str, str]


class TaskInfo(TypedDict):
    id: str
    name: str
    project: str
    node: str
    targetNode: str
    state: TaskStateWord
    health: TaskHealthWord
    attempt: int
    progress: Annotated[float, Meta(ge=0, le=1)] | None
    message: str
    messageParts: list[MessagePart]
    exitCode: int | None
    pendingReason: str
    pendingParts: list[MessagePart]
    command: str
    acceptsInput: bool
    partialPause: bool
    suppressedLines: int
    createdBy: str
    createdAt: int
    startedAt: int | None
    endedAt: int | None
    nodeState: NodeStateWord | None
    # Since when its node is unreachable; null = it is reachable, or the task needs no node.
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
    taskName: str
    attempt: int
    # Ids of the evidence; empty = there is none.
    evidence: list[str]
    openedAt: int
    resolvedAt: int | None
    acknowledgedAt: int | None
    acknowledgedBy: str


class CommandInfo(TypedDict):
    id: str
    kind: CommandKind
    task: str
    attempt: int
    node: str
    state: CommandStateWord
    code: str
    message: str
    messageParts: list[MessagePart]
    ref: str
    actor: str
    createdAt: int
    # When it entered this state.
    changedAt: int


# Id, line number in the attempt, time at the origin, level, stream, text (hostile: never render it as HTML).
WireLine = tuple[FeedNumber, int, int, LogLevelWord, LogStreamWord, str]


class NodeStatusMessage(Positioned, Moment):
    type: Literal["NODE_STATUS"]
    node: NodeStatus


class MetricsMessage(MetricsFields):
    """Ephemeral: the newest wins; it has no position in the feed."""

    type: Literal["METRICS"]
    at: int
    node: str
    linkRttMs: float | None


class TaskUpdate(Positioned, Moment):
    type: Literal["TASK_UPDATE"]
    task: TaskInfo


class LogBatch(Positioned):
    type: Literal["LOG"]
    node: str
    task: str
    attempt: int
    lines: list[WireLine]


class AlertMessage(Positioned, Moment, AlertInfo):
    type: Literal["ALERT"]


class CommandMessage(Positioned):
    type: Literal["COMMAND"]
    at: int
    command: CommandInfo


# "from" is a keyword of Python.
GapRange = TypedDict("GapRange", {"from": FeedNumber, "to": FeedNumber})


class JournalGapFields(GapRange):
    """Missing entries `from` to `to` of a node's journal ("0" if only lines are known), and `lines` missing lines of
    `attempt` from `firstLine` on (0 if unknown).
    """

    reason: str
    lane: LaneWord
    node: str
    task: str
    attempt: int
    firstLine: int
    lines: int


class JournalGap(Positioned, JournalGapFields):
    type: Literal["GAP"]
    at: int


class StoreTrouble(TypedDict):
    """Whether the Leader can store new data."""

    type: Literal["STORE"]
    at: int
    state: Annotated[str, one_of("StoreState", ("ok", "failing"))]
    reason: Annotated[str, one_of("StoreReason", ("", "full", "locked", "unreachable", "error"))]
    message: str
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
    # Open commands, and those settled recently.
    commands: list[CommandInfo]
    logs: list[LogBatch]
    trouble: StoreTrouble | None
