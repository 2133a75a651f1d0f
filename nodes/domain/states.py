"""States of nodes, tasks and commands, and the transitions allowed between them.

A transition that a table does not list is illegal: it is refused and reported, never applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    LEADER = "leader"
    MASTER = "master"
    EDGE = "edge"


class NodeState(StrEnum):
    ONLINE = "online"
    SUSPECT = "suspect"  # Its stream ended, or it has been silent for longer than the heartbeat allows.
    OFFLINE = "offline"


class TaskState(StrEnum):
    PENDING = "pending"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # Ended with an error, or could not start.
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    LOST = "lost"  # Its node reconnected without it, or a person marked it as lost.

    @property
    def is_final(self) -> bool:
        return not TASK_TRANSITIONS[self]

    @property
    def is_live(self) -> bool:
        """True while the task has a process on a node."""
        return self in (TaskState.RUNNING, TaskState.PAUSED)


# States in which an attempt takes one of its node's slots.
OCCUPYING = frozenset({TaskState.DISPATCHED, TaskState.RUNNING, TaskState.PAUSED})

_ENDS = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED, TaskState.TIMED_OUT, TaskState.LOST})

# Transitions of one attempt. A retry creates a new attempt, so an end is final.
TASK_TRANSITIONS: Mapping[TaskState, frozenset[TaskState]] = {
    TaskState.PENDING: frozenset({TaskState.DISPATCHED, TaskState.RUNNING}) | _ENDS,
    # Back to pending: the node reported that it has no free slot.
    TaskState.DISPATCHED: frozenset({TaskState.PENDING, TaskState.RUNNING}) | _ENDS,
    TaskState.RUNNING: frozenset({TaskState.PAUSED}) | _ENDS,
    TaskState.PAUSED: frozenset({TaskState.RUNNING}) | _ENDS,
    TaskState.SUCCEEDED: frozenset(),
    TaskState.FAILED: frozenset(),
    TaskState.CANCELLED: frozenset(),
    TaskState.TIMED_OUT: frozenset(),
    TaskState.LOST: frozenset(),
}


def is_unknown(task_state: str, node_state: str) -> bool:
    """Whether a task may be in any state by now, because its node is unreachable."""
    return task_state in OCCUPYING and node_state != NodeState.ONLINE


class TaskHealth(StrEnum):
    """The stall verdict, separate from the state."""

    HEALTHY = "healthy"
    QUIET = "quiet"
    WAITING = "waiting"  # It reads its standard input and waits for a person.
    STALLED = "stalled"


class CommandState(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    ACKED = "acked"  # The node has stored it.
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"  # Its time to live ended before it ran; it will never run.
    UNKNOWN = "unknown"  # It may or may not have taken effect.

    @property
    def is_final(self) -> bool:
        return not COMMAND_TRANSITIONS[self]


_COMMAND_ENDS = frozenset({CommandState.SUCCEEDED, CommandState.FAILED, CommandState.EXPIRED, CommandState.UNKNOWN})

COMMAND_TRANSITIONS: Mapping[CommandState, frozenset[CommandState]] = {
    CommandState.PENDING: frozenset({CommandState.SENT}) | _COMMAND_ENDS,
    CommandState.SENT: frozenset({CommandState.ACKED}) | _COMMAND_ENDS,
    CommandState.ACKED: _COMMAND_ENDS,
    CommandState.SUCCEEDED: frozenset(),
    CommandState.FAILED: frozenset(),
    CommandState.EXPIRED: frozenset(),
    # A late result still settles an unknown command.
    CommandState.UNKNOWN: frozenset({CommandState.SUCCEEDED, CommandState.FAILED, CommandState.EXPIRED}),
}


class Action(StrEnum):
    """What a person can request for an existing task."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    INPUT = "input"
    RETRY = "retry"  # Handled on the Leader: a new attempt, no command to the old node.


# In which states of a task an action can have an effect; an input also needs a task that accepts one.
POSSIBLE_IN: Mapping[Action, frozenset[TaskState]] = {
    Action.PAUSE: frozenset({TaskState.RUNNING}),
    Action.RESUME: frozenset({TaskState.PAUSED}),
    Action.INPUT: frozenset({TaskState.RUNNING}),
    Action.RETRY: _ENDS,
    Action.CANCEL: frozenset(TaskState) - _ENDS,
}


def is_possible(action: Action, state: TaskState, *, accepts_input: bool) -> bool:
    return state in POSSIBLE_IN[action] and (action is not Action.INPUT or accepts_input)


class Lane(StrEnum):
    """A node's two journals."""

    STATES = "states"
    LOGS = "logs"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


# As settings and topics write them.
LOG_LEVEL_NAMES = tuple(level.upper() for level in LogLevel)


class LogStream(StrEnum):
    STDOUT = "stdout"
    STDERR = "stderr"
    SYSTEM = "system"  # AgentFlow's own message about the output, such as "120 lines suppressed".
