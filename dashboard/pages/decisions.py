"""Everything that follows from a state, in one place: templates call these functions, and the page's script uses the
same tables, which come with the page (`as_data`). A state's label, icon and tone are in `labels`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from chat.stalls.stall_context import TOOLS
from chat.states import FixState, TurnState
from nodes.domain.states import OCCUPYING, Action, CommandState, NodeState, Role, TaskHealth, TaskState, is_possible
from nodes.selectors.alerts import SNAPSHOT_ALERTS
from nodes.selectors.output import SNAPSHOT_LINES

# Not a real state: shown for a task whose node is unreachable.
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """What follows from a task's shown state; `actions` follows from its real state."""

    is_final: bool
    is_occupying: bool
    shows_health: bool
    # The overview's figure that counts it; empty: none.
    figure: str
    # Notes that its row may show beside the state, most important first; the first with a text is shown.
    notes: tuple[str, ...]
    # The field with the time at which its running time ends or becomes unknown.
    ends: str
    # Offered actions: without standard input, and with it.
    actions: tuple[tuple[Action, ...], tuple[Action, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthFacts:
    # The task waits for a person's answer.
    waits: bool
    # As above; a counted task needs a person.
    figure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    # Heartbeats arrive; otherwise its tasks are unknown.
    is_reachable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleFacts:
    # Has a link to a parent, and tasks can be sent to it.
    is_member: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFacts:
    # How long its task's row shows it after it reached this state; None: while it is open.
    stays_seconds: int | None
    # Shows a reason, even if the code is unknown.
    explains: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFacts:
    figure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnFacts:
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FixFacts:
    may_be_asked: bool


_NOTES: Mapping[TaskState, tuple[str, ...]] = {
    TaskState.PENDING: ("pendingReason", "message"),
    TaskState.PAUSED: ("partialPause", "message"),
    TaskState.FAILED: ("message", "exitCode"),
}


def _task_facts(state: TaskState) -> TaskFacts:
    return TaskFacts(
        is_final=state.is_final,
        is_occupying=state in OCCUPYING,
        shows_health=state is TaskState.RUNNING,
        figure="running" if state in OCCUPYING else "queued" if state is TaskState.PENDING else "",
        notes=_NOTES.get(state, ("message",)),
        ends="endedAt",
        actions=(_offered(state, accepts_input=False), _offered(state, accepts_input=True)),
    )


def _offered(state: TaskState, *, accepts_input: bool) -> tuple[Action, ...]:
    return tuple(action for action in Action if is_possible(action, state, accepts_input=accepts_input))


def _command_facts(state: str) -> CommandFacts:
    is_done = state == CommandState.SUCCEEDED
    is_open = state in (CommandState.PENDING, CommandState.SENT, CommandState.ACKED, "asked")
    return CommandFacts(stays_seconds=None if is_open else 8 if is_done else 600, explains=not is_done)


TASKS: Mapping[str, TaskFacts] = {
    **{state: _task_facts(state) for state in TaskState},
    UNKNOWN: TaskFacts(
        is_final=False,
        is_occupying=True,
        shows_health=False,
        figure=UNKNOWN,
        notes=("unknownSince",),
        ends="unknownSince",
        actions=((), ()),
    ),
}
HEALTH: Mapping[str, HealthFacts] = {
    TaskHealth.HEALTHY: HealthFacts(waits=False, figure=""),
    TaskHealth.QUIET: HealthFacts(waits=False, figure=""),
    TaskHealth.WAITING: HealthFacts(waits=True, figure="waiting"),
    TaskHealth.STALLED: HealthFacts(waits=False, figure="stalled"),
}
NODES: Mapping[str, NodeFacts] = {state: NodeFacts(is_reachable=state is NodeState.ONLINE) for state in NodeState}
ROLES: Mapping[str, RoleFacts] = {role: RoleFacts(is_member=role is not Role.LEADER) for role in Role}
# The Leader's states, and those of the page alone: requested, refused, not answered yet.
COMMANDS: Mapping[str, CommandFacts] = {
    str(state): _command_facts(state) for state in (*CommandState, "asked", "refused", "unanswered")
}
ALERTS: Mapping[str, AlertFacts] = {"error": AlertFacts(figure="errors"), "warning": AlertFacts(figure="")}
TURNS: Mapping[str, TurnFacts] = {state: TurnFacts(is_open=state.is_open) for state in TurnState}
FIXES: Mapping[str, FixFacts] = {state: FixFacts(may_be_asked=state.may_be_asked) for state in FixState}

# Figures that prevent the overview from showing "all clear", in display order.
TROUBLES: Mapping[str, tuple[str, ...]] = {
    "alerts": ("errors",),
    "nodes": (NodeState.SUSPECT, NodeState.OFFLINE),
    "tasks": ("waiting", "stalled", UNKNOWN),
}


def shown_state(task: Mapping[str, Any]) -> str:
    """The state to show for a task or an attempt: the key of its look and its facts."""
    return UNKNOWN if task.get("unknownSince") else str(task.get("state"))


def shown_health(task: Mapping[str, Any]) -> str:
    """The task's health if people should know it; empty otherwise."""
    return str(task.get("health") or "") if TASKS[shown_state(task)].shows_health else ""


def waits_for_person(task: Mapping[str, Any]) -> bool:
    health = HEALTH.get(shown_health(task))
    return health is not None and health.waits


def needs_person(task: Mapping[str, Any]) -> bool:
    health = HEALTH.get(shown_health(task))
    return shown_state(task) == UNKNOWN or (health is not None and health.figure != "")


def is_offered(action: str, task: Mapping[str, Any]) -> bool:
    """Whether to offer the action. Only hides useless buttons: the server decides."""
    return action in TASKS[str(task.get("state"))].actions[bool(task.get("acceptsInput"))]


def shown_command(commands: Iterable[Mapping[str, Any]], task_id: str, now_ms: float) -> Mapping[str, Any] | None:
    """The command that a task's row shows: the newest one from a person, while it is open or recent."""
    command = next((one for one in commands if one["task"] == task_id and one["kind"] != "start"), None)
    if command is None:
        return None
    stays = COMMANDS[command["state"]].stays_seconds
    return command if stays is None or now_ms - (command["changedAt"] or 0) < stays * 1000 else None


def as_data() -> dict[str, Any]:
    """The tables for the page's script."""
    tables: Mapping[str, Mapping[str, Any]] = {
        "tasks": TASKS,
        "health": HEALTH,
        "nodes": NODES,
        "roles": ROLES,
        "commands": COMMANDS,
        "alerts": ALERTS,
        "turns": TURNS,
        "fixes": FIXES,
    }
    found: dict[str, Any] = {
        name: {str(key): _facts_data(facts) for key, facts in table.items()} for name, table in tables.items()
    }
    return {
        **found,
        "troubles": {kind: [str(figure) for figure in figures] for kind, figures in TROUBLES.items()},
        "toolActions": {tool: str(action) for action, tool in TOOLS.items()},
        "limits": {"alerts": SNAPSHOT_ALERTS, "logLines": SNAPSHOT_LINES},
    }


def _facts_data(facts: Any) -> dict[str, Any]:
    return {_camel(field.name): _plain(getattr(facts, field.name)) for field in fields(facts)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, str) else value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.title, rest))
