"""Labels, icons and tones of states, for templates and the page's script. What follows from a state is in `decisions`.


A state is never shown by colour alone; `tone` selects the colour (see `[data-tone]` in the style sheet).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from chat import tool_texts
from chat.phrases import script_phrases
from chat.states import ApprovalState, CallState, TurnState
from dashboard.pages import decisions
from nodes import state_labels
from nodes.domain.states import Action, CommandState, NodeState, Role, TaskHealth, TaskState

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Look:
    label: Text
    icon: str  # A name from lucide.dev; frontend/scripts/icons.mjs adds it to the sprite.
    tone: str  # "good", "busy", "warn", "bad", "calm" or "held"; a button may have none.


NODE_STATES: Mapping[str, Look] = {
    NodeState.ONLINE: Look(state_labels.NODE_STATES[NodeState.ONLINE], "circle-check", "good"),
    NodeState.SUSPECT: Look(state_labels.NODE_STATES[NodeState.SUSPECT], "triangle-alert", "warn"),
    NodeState.OFFLINE: Look(state_labels.NODE_STATES[NodeState.OFFLINE], "circle-x", "bad"),
}

TASK_STATES: Mapping[str, Look] = {
    TaskState.PENDING: Look(state_labels.TASK_STATES[TaskState.PENDING], "clock", "calm"),
    TaskState.DISPATCHED: Look(state_labels.TASK_STATES[TaskState.DISPATCHED], "send", "busy"),
    TaskState.RUNNING: Look(state_labels.TASK_STATES[TaskState.RUNNING], "loader", "busy"),
    TaskState.PAUSED: Look(state_labels.TASK_STATES[TaskState.PAUSED], "pause", "held"),
    TaskState.SUCCEEDED: Look(state_labels.TASK_STATES[TaskState.SUCCEEDED], "circle-check", "good"),
    TaskState.FAILED: Look(state_labels.TASK_STATES[TaskState.FAILED], "circle-x", "bad"),
    TaskState.CANCELLED: Look(state_labels.TASK_STATES[TaskState.CANCELLED], "ban", "calm"),
    TaskState.TIMED_OUT: Look(state_labels.TASK_STATES[TaskState.TIMED_OUT], "timer-off", "bad"),
    TaskState.LOST: Look(state_labels.TASK_STATES[TaskState.LOST], "unlink", "bad"),
}

# Healthy is not shown.
TASK_HEALTH: Mapping[str, Look] = {
    TaskHealth.QUIET: Look(state_labels.TASK_HEALTH[TaskHealth.QUIET], "circle-dashed", "calm"),
    TaskHealth.WAITING: Look(state_labels.TASK_HEALTH[TaskHealth.WAITING], "message-circle-question", "held"),
    TaskHealth.STALLED: Look(state_labels.TASK_HEALTH[TaskHealth.STALLED], "triangle-alert", "warn"),
}

# Shown states of a task, including unknown.
SHOWN_STATES: Mapping[str, Look] = {
    **TASK_STATES,
    decisions.UNKNOWN: Look(pgettext_lazy("task state", "Unknown"), "circle-help", "warn"),
}

NODE_ROLES: Mapping[str, Look] = {
    Role.LEADER: Look(_("Leader"), "crown", "busy"),
    Role.MASTER: Look(_("Master"), "network", "busy"),
    Role.EDGE: Look(_("Edge"), "server", "calm"),
}

COMMAND_STATES: Mapping[str, Look] = {
    CommandState.PENDING: Look(pgettext_lazy("command state", "waiting to be sent"), "clock", "busy"),
    CommandState.SENT: Look(pgettext_lazy("command state", "sent"), "send", "busy"),
    CommandState.ACKED: Look(pgettext_lazy("command state", "received by the node"), "loader", "busy"),
    CommandState.SUCCEEDED: Look(pgettext_lazy("command state", "done"), "circle-check", "good"),
    CommandState.FAILED: Look(pgettext_lazy("command state", "failed"), "circle-x", "bad"),
    CommandState.EXPIRED: Look(pgettext_lazy("command state", "expired before it ran"), "timer-off", "warn"),
    CommandState.UNKNOWN: Look(pgettext_lazy("command state", "outcome unknown"), "circle-help", "warn"),
}

# States of the page alone: before the Leader has stored the command, and if it never does.
REQUEST_STATES: Mapping[str, Look] = {
    "asked": Look(pgettext_lazy("command state", "requested"), "loader", "busy"),
    "refused": Look(pgettext_lazy("command state", "refused"), "ban", "bad"),
    "unanswered": Look(pgettext_lazy("command state", "no response yet"), "circle-help", "warn"),
}

# No label: the alert's message is shown.
ALERT_LEVELS: Mapping[str, Look] = {
    "error": Look("", "circle-x", "bad"),
    "warning": Look("", "triangle-alert", "warn"),
}

START = pgettext_lazy("command", "Start")

# Why a command or request failed, by code: of nodes, of their shims and of the Leader. `{message}` is the original
# message, for codes that do not explain the problem by themselves.
REASONS: Mapping[str, Text] = {
    "expired": _("The node could not be reached in time. The command will not run."),
    "no-answer": _("The node did not respond in time. Whether the command took effect is unknown."),
    "unknown": _("The task's supervisor crashed; the outcome is unknown."),
    "lost": _("The node has no record of the command; the outcome is unknown."),
    "not-started": _("The agent restarted before the command started. It will not run."),
    "interrupted": _("The agent restarted while running the command. It had no effect."),
    "finished": _("The task has already ended."),
    "stale": _("It has changed since you saw it; look again."),
    "ending": _("The task is already ending."),
    "busy": _("The node has no free slot, or an earlier attempt still runs there."),
    "no-such-task": _("The node has no such task."),
    "no-such-node": _("There is no such node."),
    "no-such-project": _("The node has no such project."),
    "no-such-named-task": _("The project has no such named task."),
    "disk": _("The node's disk is full or broken. The command could not be recorded and did not run."),
    "input-closed": _("The task's standard input is closed."),
    "no-input": _("The task's standard input is closed."),
    "input-full": _("The task has not read its earlier input yet."),
    "too-large": _("It is too large to send at once."),
    "unkillable": _(
        "Signals have no effect: its processes are blocked in the kernel. The task ends when the kernel releases them."
    ),
    "partial": _("Only part of the task was paused; some processes still run."),
    "unknown-action": _("The node's version does not support this."),
    "not-running": _("The task is not running yet."),
    "already-paused": _("The task is already paused."),
    "not-paused": _("The task is not paused."),
    "not-finished": _("The task has not ended; cancel it first."),
    "no-request": _("The Leader does not have this task's command, so it cannot be retried."),
    "definition-changed": _("The task's definition has changed since it last ran."),
    "commands-not-allowed": _("The node runs only the named tasks of its projects."),
    "forbidden": _("Your role or the node's settings do not allow this."),
    "not-found": _("There is no such task."),
    "cannot-start": _("The task could not be started: {message}"),
    "node-error": _("The node cannot start tasks now: {message}"),
    "bad-request": _("The node cannot do this: {message}"),
    "bad-value": _("The node cannot do this: {message}"),
    "invalid": _("Invalid request: {message}"),
    "bad-field": _("Invalid request: {message}"),
    "unavailable": _("The Leader is unreachable. Whether an earlier request took effect is unknown."),
    "other-version": _("The web process and the Leader run different versions; restart them with the same version."),
    "too-fast": _("Too many requests; wait a moment."),
}

# Why entries of a node are permanently missing, by the reason in GAP.
GAP_REASONS: Mapping[str, Text] = {
    "trimmed": _("the node deleted them to free space"),
    "missing": _("the node no longer had them"),
    "oversize": _("too large to send"),
    "damaged": _("the node's journal was damaged"),
}

# Why nothing can be stored, by the reason in STORE.
STORE_REASONS: Mapping[str, Text] = {
    "full": _("the Leader's disk is full"),
    "locked": _("another program has locked the database"),
    "unreachable": _("the database cannot be reached"),
    "error": _("the database reports an error"),
}

# In the order of the buttons.
ACTIONS: Mapping[str, Look] = {
    Action.INPUT: Look(_("Answer"), "message-circle-question", "held"),
    Action.PAUSE: Look(_("Pause"), "pause", ""),
    Action.RESUME: Look(_("Resume"), "play", "good"),
    Action.RETRY: Look(_("Retry"), "rotate-cw", ""),
    Action.CANCEL: Look(_("Cancel"), "square", "bad"),
}

# Turns of a conversation, their steps, and approvals.
CHAT_TURNS: Mapping[str, Look] = {
    TurnState.QUEUED: Look(_("Waiting for its turn"), "clock", "calm"),
    TurnState.RUNNING: Look(_("Working …"), "loader", "busy"),
    TurnState.WAITING: Look(_("Waiting for approval"), "message-circle-question", "held"),
    TurnState.DONE: Look(pgettext_lazy("chat", "Done"), "circle-check", "good"),
    TurnState.STOPPED: Look(_("Stopped"), "square", "calm"),
    TurnState.FAILED: Look(pgettext_lazy("chat", "Failed"), "circle-x", "bad"),
    TurnState.INTERRUPTED: Look(_("Interrupted: the Leader restarted"), "unlink", "warn"),
}

CHAT_STEPS: Mapping[str, Look] = {
    CallState.PROPOSED: Look(pgettext_lazy("chat", "proposed"), "circle-dashed", "calm"),
    CallState.WAITING: Look(pgettext_lazy("chat", "asks you"), "message-circle-question", "held"),
    CallState.APPROVED: Look(pgettext_lazy("chat", "approved"), "circle-check", "busy"),
    CallState.RUNNING: Look(pgettext_lazy("chat", "running"), "loader", "busy"),
    CallState.DONE: Look(pgettext_lazy("chat", "done"), "circle-check", "good"),
    CallState.FAILED: Look(pgettext_lazy("chat", "failed"), "circle-x", "bad"),
    CallState.DENIED: Look(pgettext_lazy("chat", "not done"), "ban", "calm"),
    CallState.UNKNOWN: Look(pgettext_lazy("chat", "outcome unknown"), "circle-help", "warn"),
}

CHAT_APPROVALS: Mapping[str, Look] = {
    ApprovalState.WAITING: Look(_("Waiting for approval"), "message-circle-question", "held"),
    ApprovalState.APPROVED: Look(pgettext_lazy("approval", "Approved"), "circle-check", "good"),
    ApprovalState.USED: Look(pgettext_lazy("approval", "Approved"), "circle-check", "good"),
    ApprovalState.DENIED: Look(pgettext_lazy("approval", "Refused"), "ban", "calm"),
    ApprovalState.EXPIRED: Look(_("Expired: no decision in time"), "timer-off", "warn"),
    ApprovalState.STALE: Look(_("Not done: its target changed"), "triangle-alert", "warn"),
    ApprovalState.WITHDRAWN: Look(_("Withdrawn: a newer message replaced it"), "x", "calm"),
}

# Analyses: confidence, states of fixes, and whether they helped.
CHAT_CONFIDENCE: Mapping[str, Look] = {
    "high": Look(_("Fairly sure"), "circle-check", "good"),
    "medium": Look(_("Likely"), "circle-dashed", "busy"),
    "low": Look(_("A guess"), "circle-help", "calm"),
}

CHAT_FIXES: Mapping[str, Look] = {
    "open": Look(pgettext_lazy("fix", "proposed"), "circle-dashed", "calm"),
    "asked": Look(_("Waiting for approval"), "message-circle-question", "held"),
    "done": Look(pgettext_lazy("chat", "done"), "circle-check", "good"),
    "refused": Look(pgettext_lazy("chat", "not done"), "ban", "calm"),
    "failed": Look(pgettext_lazy("chat", "failed"), "circle-x", "bad"),
}

CHAT_VERDICTS: Mapping[str, Look] = {
    "watching": Look(_("Checking whether it helps …"), "activity", "busy"),
    "helped": Look(_("It helped"), "circle-check", "good"),
    "not-helped": Look(_("It did not help"), "circle-x", "warn"),
}

EVIDENCE_KINDS: Mapping[str, Text] = {
    "lines": _("Last lines"),
    "processes": _("Processes"),
    "metrics": _("Metrics"),
    "stacks": _("Python stacks"),
}

PROCESS_STATES: Mapping[str, Text] = {
    "R": pgettext_lazy("process", "running"),
    "S": pgettext_lazy("process", "sleeping"),
    "D": pgettext_lazy("process", "waiting for a device"),
    "T": pgettext_lazy("process", "stopped"),
    "t": pgettext_lazy("process", "stopped by a debugger"),
    "Z": pgettext_lazy("process", "zombie"),
    "I": pgettext_lazy("process", "idle"),
}

# Why answers are rule-based, by the reason of `engine`.
CHAT_ENGINES: Mapping[str, Text] = {
    "no-key": _("No Claude API key is set. Answers are rule-based, without a language model."),
    "chosen": _("The settings select rule-based answers, without a language model."),
    "daily-limit": _("Today's spending limit is reached. Answers are rule-based until tomorrow."),
    "not-started": _("The Leader has not reported yet which engine answers."),
}

CHAT_REASONS: Mapping[str, Text] = {
    "empty": _("The message is empty."),
    "too-long": _("The message is too long."),
    "busy": _("The conversation is busy; wait or stop it."),
    "closed": _("This conversation is closed; use the new one."),
    "bad-context": _("This context is not valid."),
    "no-such-context": _("This project or node no longer exists."),
    "not-failed": _("Only a failed or stopped turn can be retried."),
    "answered": _("Someone has already decided."),
    "asked": _("Someone has already requested this."),
    "done": _("This was already done."),
    "expired": _("No decision in time; it was not done."),
    "stale": _("Its target has changed; it was not done."),
    "not-found": _("It no longer exists."),
}

# Why a change on the Memory page was refused.
MEMORY_REASONS: Mapping[str, Text] = {
    "stale": _("It has changed in the meantime; reload it."),
    "deleted": _("This file is deleted; restore one of its revisions first."),
    "exists": _("A file with this path already exists."),
    "too-large": _("The text is too large for one file."),
    "full": _("The memory of this project or node is full; delete something first."),
    "too-many": _("There are too many files; delete or merge some first."),
    "forbidden": _("Your role does not allow this."),
    "unavailable": _("The Leader is unreachable. Whether an earlier request took effect is unknown."),
    "other-version": _("The web process and the Leader run different versions; restart them with the same version."),
}


def as_data() -> dict[str, object]:
    """The tables for the page's script, in the reader's language."""

    def looks(table: Mapping[str, Look]) -> dict[str, dict[str, str]]:
        return {
            str(key): {"label": str(look.label), "icon": look.icon, "tone": look.tone} for key, look in table.items()
        }

    return {
        "nodeStates": looks(NODE_STATES),
        "taskStates": looks(SHOWN_STATES),
        "taskHealth": looks(TASK_HEALTH),
        "nodeRoles": looks(NODE_ROLES),
        "actions": looks(ACTIONS),
        "start": str(START),
        "commandStates": looks({**COMMAND_STATES, **REQUEST_STATES}),
        "alertLevels": looks(ALERT_LEVELS),
        "gapReasons": {reason: str(text) for reason, text in GAP_REASONS.items()},
        "storeReasons": {reason: str(text) for reason, text in STORE_REASONS.items()},
        "reasons": {code: str(text) for code, text in REASONS.items()},
        "chatTurns": looks(CHAT_TURNS),
        "chatSteps": looks(CHAT_STEPS),
        "chatApprovals": looks(CHAT_APPROVALS),
        "chatConfidence": looks(CHAT_CONFIDENCE),
        "chatFixes": looks(CHAT_FIXES),
        "chatVerdicts": looks(CHAT_VERDICTS),
        "evidenceKinds": {kind: str(text) for kind, text in EVIDENCE_KINDS.items()},
        "processStates": {letter: str(text) for letter, text in PROCESS_STATES.items()},
        "chatTools": tool_texts.script_labels(),
        "chatEffects": tool_texts.script_effects(),
        "chatEngines": {reason: str(text) for reason, text in CHAT_ENGINES.items()},
        "chatReasons": {code: str(text) for code, text in CHAT_REASONS.items()},
        "phrases": script_phrases(),
        "decisions": decisions.as_data(),
    }
