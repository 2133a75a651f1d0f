"""How states look and read, in one table for the templates and for the page's script: word, icon, tone.

A state is never shown by colour alone; `tone` only picks the colour (see `[data-tone]` in the style sheet).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from nodes.domain.states import Action, CommandState, NodeState, Role, TaskHealth, TaskState

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Look:
    label: Text
    icon: str  # A name in frontend/scripts/icons.mjs.
    tone: str  # "good", "busy", "warn", "bad", "calm" or "held"


NODE_STATES: Mapping[str, Look] = {
    NodeState.ONLINE: Look(pgettext_lazy("node state", "Online"), "circle-check", "good"),
    NodeState.SUSPECT: Look(pgettext_lazy("node state", "Suspect"), "triangle-alert", "warn"),
    NodeState.OFFLINE: Look(pgettext_lazy("node state", "Offline"), "circle-x", "bad"),
}

TASK_STATES: Mapping[str, Look] = {
    TaskState.PENDING: Look(pgettext_lazy("task state", "Queued"), "clock", "calm"),
    TaskState.DISPATCHED: Look(pgettext_lazy("task state", "Starting"), "send", "busy"),
    TaskState.RUNNING: Look(pgettext_lazy("task state", "Running"), "loader", "busy"),
    TaskState.PAUSED: Look(pgettext_lazy("task state", "Paused"), "pause", "held"),
    TaskState.SUCCEEDED: Look(pgettext_lazy("task state", "Done"), "circle-check", "good"),
    TaskState.FAILED: Look(pgettext_lazy("task state", "Failed"), "circle-x", "bad"),
    TaskState.CANCELLED: Look(pgettext_lazy("task state", "Cancelled"), "ban", "calm"),
    TaskState.TIMED_OUT: Look(pgettext_lazy("task state", "Timed out"), "timer-off", "bad"),
    TaskState.LOST: Look(pgettext_lazy("task state", "Lost"), "unlink", "bad"),
}

# Healthy is not shown.
TASK_HEALTH: Mapping[str, Look] = {
    TaskHealth.QUIET: Look(pgettext_lazy("task health", "Quiet"), "circle-dashed", "calm"),
    TaskHealth.WAITING: Look(pgettext_lazy("task health", "Waiting for you"), "message-circle-question", "held"),
    TaskHealth.STALLED: Look(pgettext_lazy("task health", "Stalled"), "triangle-alert", "warn"),
}

# Not a state of its own: what a task is shown as while nobody can see its node.
UNKNOWN = Look(pgettext_lazy("task state", "Unknown"), "circle-help", "warn")

NODE_ROLES: Mapping[str, Look] = {
    Role.LEADER: Look(_("Leader"), "crown", "busy"),
    Role.MASTER: Look(_("Master"), "network", "busy"),
    Role.EDGE: Look(_("Edge"), "server", "calm"),
}

COMMAND_STATES: Mapping[str, Text] = {
    CommandState.PENDING: pgettext_lazy("command state", "waiting to be sent"),
    CommandState.SENT: pgettext_lazy("command state", "sent"),
    CommandState.ACKED: pgettext_lazy("command state", "received by the node"),
    CommandState.SUCCEEDED: pgettext_lazy("command state", "done"),
    CommandState.FAILED: pgettext_lazy("command state", "failed"),
    CommandState.EXPIRED: pgettext_lazy("command state", "expired before it ran"),
    CommandState.UNKNOWN: pgettext_lazy("command state", "outcome unknown"),
}

ACTIONS: Mapping[str, Look] = {
    Action.PAUSE: Look(_("Pause"), "pause", "held"),
    Action.RESUME: Look(_("Resume"), "play", "good"),
    Action.INPUT: Look(_("Answer"), "message-circle-question", "held"),
    Action.RETRY: Look(_("Retry"), "rotate-cw", "busy"),
    Action.CANCEL: Look(_("Cancel"), "square", "bad"),
}

# In which states a person is offered an action. The server decides; this only keeps dead buttons off the page.
OFFERED: Mapping[str, frozenset[TaskState]] = {
    Action.PAUSE: frozenset({TaskState.RUNNING}),
    Action.RESUME: frozenset({TaskState.PAUSED}),
    Action.INPUT: frozenset({TaskState.RUNNING}),
    Action.RETRY: frozenset(
        {TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED, TaskState.TIMED_OUT, TaskState.LOST}
    ),
    Action.CANCEL: frozenset({TaskState.PENDING, TaskState.DISPATCHED, TaskState.RUNNING, TaskState.PAUSED}),
}

LIVE_STATES = (TaskState.PENDING, TaskState.DISPATCHED, TaskState.RUNNING, TaskState.PAUSED)


def as_data() -> dict[str, object]:
    """The tables for the page's script, in the reader's language."""

    def looks(table: Mapping[str, Look]) -> dict[str, dict[str, str]]:
        return {
            str(key): {"label": str(look.label), "icon": look.icon, "tone": look.tone} for key, look in table.items()
        }

    return {
        "nodeStates": looks(NODE_STATES),
        "taskStates": looks(TASK_STATES),
        "taskHealth": looks(TASK_HEALTH),
        "unknown": looks({"unknown": UNKNOWN})["unknown"],
        "nodeRoles": looks(NODE_ROLES),
        "actions": looks(ACTIONS),
        "commandStates": {str(key): str(label) for key, label in COMMAND_STATES.items()},
        "offered": {str(action): sorted(map(str, states)) for action, states in OFFERED.items()},
    }
