"""The writer's in-memory copy of its tables: nodes, marks, and everything that is still active.

Only the writer's thread changes it, so it cannot be stale. It is reloaded after a transaction is rolled back.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

from nodes.domain.states import OCCUPYING, CommandState, NodeState, Role, TaskState
from nodes.models import Alert, Attempt, Command, Journal, Node, NodeToken, Store, Task

AttemptKey = tuple[str, int]  # task id, number
AlertKey = tuple[str, str, str]  # kind, node id, task id

OPEN_TASKS = frozenset({TaskState.PENDING}) | OCCUPYING
OPEN_COMMANDS = frozenset({CommandState.PENDING, CommandState.SENT, CommandState.ACKED})
# Ended tasks are kept for their last entries; above this many, the oldest are dropped.
_ENDED_TASKS_KEPT = 500


@dataclass(slots=True)
class AwaitedReplay:
    """Attempts missing from a snapshot: they are lost once the replay has reached `seq` without their end."""

    journal_id: str
    seq: int
    attempts: set[AttemptKey]


class StateCache:
    """Loaded from the database; ended tasks, closed commands and resolved alerts are read on demand.

    `deadlines` outlives a cache: the monotonic time at which each open command expires. The row's `expires_at` is for
    display; it is used only for commands of an earlier process, and capped by their full time to live.
    """

    def __init__(self, deadlines: dict[str, float], *, mono: float) -> None:
        self.deadlines = deadlines
        self.store, _ = Store.objects.get_or_create(id=1)
        self.nodes: dict[str, Node] = {}
        self.retired: dict[str, Node] = {}
        for node in Node.objects.all():
            (self.nodes if node.retired_at is None else self.retired)[node.id] = node
        self.journals: dict[str, Journal] = {journal.id: journal for journal in Journal.objects.all()}
        self.tasks: dict[str, Task] = {}
        self.attempts: dict[AttemptKey, Attempt] = {}
        self.occupying: defaultdict[str, set[AttemptKey]] = defaultdict(set)
        # Tasks waiting for a node, oldest first.
        self.pending: dict[str, Task] = {}
        self.commands: dict[str, Command] = {c.id: c for c in Command.objects.filter(state__in=OPEN_COMMANDS)}
        self.alerts: dict[AlertKey, Alert] = {
            (alert.kind, alert.node_id, alert.task_id): alert for alert in Alert.objects.filter(resolved_at=None)
        }
        # In memory only. Commands that found no stream when they were to be sent: they never left this process.
        self.undelivered: set[str] = set()
        # Edges that came back behind a Master whose own stream never ended: their commands must be sent again.
        self.returned: set[str] = set()
        # Edge → Masters whose latest report says that the Edge is online with them; two while the Edge moves.
        self.holders: defaultdict[str, set[str]] = defaultdict(set)
        # Nodes that reported "busy" → monotonic time until which they get no task.
        self.resting: dict[str, float] = {}
        # Token id → monotonic time at which its use was last stored. In memory only.
        self.token_uses: dict[str, float] = {}
        self.known_tokens: set[str] = set(NodeToken.objects.values_list("token_id", flat=True))
        for command_id in deadlines.keys() - self.commands.keys():
            del deadlines[command_id]
        now = datetime.now(UTC)
        for command in self.commands.values():
            left = min(command.expires_at - now, command.expires_at - command.created_at).total_seconds()
            deadlines.setdefault(command.id, mono + max(0.0, left))
        for task in Task.objects.filter(state__in=OPEN_TASKS).order_by("created_at", "id"):
            self.tasks[task.id] = task
            if task.state == TaskState.PENDING:
                self.pending[task.id] = task
        for attempt in Attempt.objects.filter(state__in=OPEN_TASKS):
            self.remember_attempt(attempt)

    def known_node(self, node_id: str) -> Node | None:
        """The node, also if it is retired."""
        return self.nodes.get(node_id) or self.retired.get(node_id)

    def task(self, task_id: str) -> Task | None:
        found = self.tasks.get(task_id)
        if found is None:
            found = Task.objects.filter(id=task_id).first()
            if found is not None:
                self.remember_task(found)
        return found

    def attempt(self, task_id: str, number: int) -> Attempt | None:
        found = self.attempts.get((task_id, number))
        if found is None:
            found = Attempt.objects.filter(task=task_id, number=number).first()
            if found is not None:
                self.remember_attempt(found)
        return found

    def command(self, command_id: str) -> Command | None:
        return self.commands.get(command_id) or Command.objects.filter(id=command_id).first()

    def remember_task(self, task: Task) -> None:
        self.tasks[task.id] = task
        self.note_task(task)

    def remember_attempt(self, attempt: Attempt) -> None:
        self.attempts[attempt.task_id, attempt.number] = attempt
        self.note_attempt(attempt)

    def note_task(self, task: Task) -> None:
        """Updates the pending tasks after a change of state."""
        if task.state == TaskState.PENDING:
            self.pending.setdefault(task.id, task)
        else:
            self.pending.pop(task.id, None)

    def note_attempt(self, attempt: Attempt) -> None:
        """Updates the occupied slots after a change of state or node."""
        key = (attempt.task_id, attempt.number)
        if attempt.node_id and attempt.state in OCCUPYING:
            self.occupying[attempt.node_id].add(key)
        elif attempt.node_id:
            self.occupying[attempt.node_id].discard(key)

    def forget_ended(self) -> None:
        """Drops ended tasks to limit memory; called between transactions."""
        if len(self.tasks) <= _ENDED_TASKS_KEPT + len(self.pending) + sum(map(len, self.occupying.values())):
            return
        ended = [task_id for task_id, task in self.tasks.items() if task.state not in OPEN_TASKS]
        for task_id in ended[: len(ended) // 2]:
            del self.tasks[task_id]
        for key in [key for key, attempt in self.attempts.items() if key[0] not in self.tasks]:
            del self.attempts[key]

    def forget_task(self, task_id: str) -> None:
        """Drops a task whose rows were removed."""
        self.tasks.pop(task_id, None)
        for key in [key for key in self.attempts if key[0] == task_id]:
            del self.attempts[key]

    def open_commands_of(self, task_id: str, kind: str = "") -> list[Command]:
        return [
            command
            for command in self.commands.values()
            if command.task_id == task_id and (not kind or command.kind == kind) and command.state in OPEN_COMMANDS
        ]

    def stream_of(self, node_id: str) -> str:
        """The node whose stream to the Leader reaches this node: itself, or its Master."""
        seen: set[str] = set()
        while (node := self.nodes.get(node_id)) is not None and node.parent and node_id not in seen:
            if (parent := self.nodes.get(node.parent)) is None or parent.role == Role.LEADER:
                break
            seen.add(node_id)
            node_id = node.parent
        return node_id

    def is_reachable(self, node_id: str) -> bool:
        """Whether the node and the stream that leads to it are both online."""
        node, stream = self.nodes.get(node_id), self.nodes.get(self.stream_of(node_id))
        return (
            node is not None
            and stream is not None
            and node.state == NodeState.ONLINE
            and stream.state == NodeState.ONLINE
        )
