"""Labels for states, shown on pages; in sentences as phrases (nodes.phrases)."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from nodes.domain.states import NodeState, TaskHealth, TaskState

NODE_STATES: Mapping[str, Promise] = {
    NodeState.ONLINE: pgettext_lazy("node state", "Online"),
    NodeState.SUSPECT: pgettext_lazy("node state", "Suspect"),
    NodeState.OFFLINE: pgettext_lazy("node state", "Offline"),
}

TASK_STATES: Mapping[str, Promise] = {
    TaskState.PENDING: pgettext_lazy("task state", "Queued"),
    TaskState.DISPATCHED: pgettext_lazy("task state", "Starting"),
    TaskState.RUNNING: pgettext_lazy("task state", "Running"),
    TaskState.PAUSED: pgettext_lazy("task state", "Paused"),
    TaskState.SUCCEEDED: pgettext_lazy("task state", "Done"),
    TaskState.FAILED: pgettext_lazy("task state", "Failed"),
    TaskState.CANCELLED: pgettext_lazy("task state", "Cancelled"),
    TaskState.TIMED_OUT: pgettext_lazy("task state", "Timed out"),
    TaskState.LOST: pgettext_lazy("task state", "Lost"),
}

# Healthy is not shown.
TASK_HEALTH: Mapping[str, Promise] = {
    TaskHealth.QUIET: pgettext_lazy("task health", "Quiet"),
    TaskHealth.WAITING: pgettext_lazy("task health", "Waiting for you"),
    TaskHealth.STALLED: pgettext_lazy("task health", "Stalled"),
}
