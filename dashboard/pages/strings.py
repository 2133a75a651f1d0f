"""Texts of the page's script, translated by gettext. `{name}` stands for a value.

Keys are grouped by module; a key that ends in `.one` is the singular of its `.other`.
"""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import pgettext


def script_strings() -> dict[str, str]:
    """The texts in the active language."""
    return {
        **_link(),
        **overview_strings(),
        **_tasks(),
        **_new_task(),
        **_toasts(),
        **_logs(),
        **_topology(),
        **_palette(),
        **_chat(),
        **_analysis(),
    }


def _link() -> dict[str, str]:
    return {
        "link.connecting": _("Connecting"),
        "link.live": _("Live"),
        "link.liveLatency": _("Live · {latency}"),
        "link.waiting": _("Reconnecting in {seconds} s"),
        "link.silent": _("Silent since {time}"),
        "link.login": _("Session ended: log in"),
        "link.forbidden": _("No access"),
        "link.behind": _("Behind: as of {time}"),
        "link.noticeLost": _("Disconnected since {time}: this page may be out of date. It reconnects automatically."),
        "link.noticeBehind": _("This page is catching up. It shows the state at {time}."),
        "link.noticeClosed": _("{state}. Data as of {time}."),
        "store.failing": _(
            "New data cannot be stored: {reason}. You can still read everything, tasks keep running, and their nodes "
            "keep what they report. Storing resumes automatically."
        ),
        "store.failingSince": _(
            "No new data has been stored since {time}: {reason}. You can still read everything, tasks keep running, "
            "and their nodes keep what they report. Storing resumes automatically."
        ),
        "retire.online": _("The node is online. Stop it or revoke its token first."),
        "retire.failed": _("The node was not retired. Try again in a moment."),
        "fragment.unavailable": _("The server does not respond. The page is unchanged; try again in a moment."),
        "fragment.title": _("Not loaded"),
        "fresh.live": pgettext("freshness", "live"),
        "fresh.since": _("since {time}"),
        "fresh.asOf": _("as of {time}"),
        "fresh.never": _("no data yet"),
        "fresh.beyond": _("{node} is unreachable"),
        "hop.ok": pgettext("freshness", "live"),
        "hop.suspect": pgettext("link", "silent"),
        "hop.down": pgettext("link", "down"),
        "hop.page": _("This page"),
    }


def overview_strings() -> dict[str, str]:
    """Texts of the tiles, for the script and for the server-rendered page."""
    return {
        "cpu.peak": _("peak {percent} on {node}"),
        "nodes.suspect": _("{count} suspect"),
        "nodes.offline": _("{count} offline"),
        "tasks.queued": _("{count} queued"),
        "tasks.unknown": _("{count} unknown"),
        "tasks.waiting": _("{count} waiting for you"),
        "tasks.stalled": _("{count} stalled"),
        "alerts.errors": _("{count} critical"),
        "alerts.none": _("all clear"),
        "tile.nodes": _("Nodes: {troubles}"),
        "tile.tasks": _("Tasks: {troubles}"),
        "tile.comma": pgettext("between the items of a list", ", "),
        "tile.store": _("nothing new is stored"),
    }


def _tasks() -> dict[str, str]:
    return {
        "task.unknownSince": _("unknown since {time}"),
        "task.anyNode": _("any node"),
        "task.partialPause": _("Partly paused: some of its processes still run."),
        "task.exitCode": _("exit code {code}"),
        "task.signal": _("ended by signal {number}"),
        "task.suppressed.one": _("1 line of output was dropped because it came too fast."),
        "task.suppressed.other": _("{count} lines of output were dropped because they came too fast."),
        "task.redacted.one": _("1 secret in the output was redacted."),
        "task.redacted.other": _("{count} secrets in the output were redacted."),
        "task.withheld.one": _("1 line was withheld because checking it for secrets took too long."),
        "task.withheld.other": _("{count} lines were withheld because checking them for secrets took too long."),
        "task.cancelTitle": _("Cancel “{name}”?"),
        "task.cancelText": _("It runs on {node}. Its processes are asked to stop, then killed after 10 s."),
        "task.cancelQueued": _("It has not started yet."),
        "task.cancelOver": _("Nothing left to cancel: {state}."),
        "attempt.older": _("This is attempt #{shown}; the newest is #{newest}."),
        "attempt.open": _("Go to attempt #{number}"),
        "task.answerTitle": _("Answer “{name}”"),
        "answer.closed": _("It does not accept input: {state}."),
        "answer.unread": _("Its output could not be loaded."),
        "task.needsCommands": _("Only people who may run commands can answer or retry a command."),
        "command.hidden": _("Only people who may run commands see what it runs."),
        "command.unread": _("The command could not be loaded."),
        "command.folder": _("in {folder}"),
        "command.variables.one": _("1 environment variable"),
        "command.variables.other": _("{count} environment variables"),
        "changed.title": _("Retry “{name}” with its new definition?"),
        "changed.text": _("Its definition has changed since it last ran ({nodes})."),
        "changed.limits": _("Its time limits have changed since it last ran ({nodes}); the command is the same."),
        "changed.noLimits": _("no time limits of its own"),
        "age.never": _("never"),
        "rows.filtered": _("{shown} of {all}"),
        "node.unknownTasks.one": _("1 unknown"),
        "node.unknownTasks.other": _("{count} unknown"),
    }


def _new_task() -> dict[str, str]:
    return {
        "run.anyNode": _("Any node with the project"),
        "run.noProjects": _("No node has a named task yet."),
        "run.needsCommand": _("Enter a command."),
        "run.unclosedQuote": _("A quotation mark is not closed."),
        "run.needsNode": _("A command without a project needs a node."),
        "run.offline": _("{node} ({state})"),
        "run.timeout": _("timeout {duration}"),
        "run.stall": _("stalled after {duration}"),
        "run.badEnvironment": _("Write each variable as NAME=value, one per line."),
    }


def _toasts() -> dict[str, str]:
    return {
        "toast.notSent": _("Not sent: no connection to the Leader."),
        "toast.asked": _("Request sent …"),
        "toast.refused": _("Refused"),
        "toast.started": _("New task: {name}"),
        "toast.accepted": _("Accepted by the Leader."),
        "toast.noAnswer": _("No response yet. The task shows the outcome."),
        "toast.alert": _("Alert"),
        "toast.resolved": _("Resolved"),
    }


def _logs() -> dict[str, str]:
    return {
        "log.newLines.one": _("1 new line"),
        "log.newLines.other": _("{count} new lines"),
        "log.lines.one": _("1 line"),
        "log.lines.other": _("{count} lines"),
        "log.newest.one": _("newest {count} line"),
        "log.newest.other": _("newest {count} lines"),
        "log.newestOf": _("newest {count} of {total} lines"),
        "log.filtered": _("{shown} of {count} lines"),
        "log.found.one": _("1 match"),
        "log.found.other": _("{count} matches"),
        "log.searchedOf": _("Searched {searched} of {total} lines."),
        "log.searchedBack": _("Searched back to {time}."),
        "log.searchedAll": _("Searched all stored lines."),
        "log.searchFailed": _("Older lines could not be searched."),
        "log.searchMore": _("Search older lines"),
        "log.searchAgain": _("Try again"),
        "log.gap.one": _("1 line is missing here"),
        "log.gap.other": _("{count} lines are missing here"),
        "log.lostLine": _("Line {first} is no longer available: {reason}"),
        "log.lostLines": _("Lines {first} to {last} are no longer available: {reason}"),
        "node.lostEntries": _("Entries {first} to {last} are no longer available: {reason}"),
        "node.lostJournal": _(
            "Entries that the node had not sent are lost: its journal was damaged and a new one was started"
        ),
        "log.gapUnknown": _("Lines are missing here"),
        "log.loading": _("Loading older lines …"),
        "log.loadFailed": _("Older lines could not be loaded. Scroll to try again."),
        "log.empty": _("No output yet."),
        "log.nothing": _("No output."),
        "log.pruned": _("Some lines of this attempt were deleted to free space."),
        "log.noMatch": _("No lines match the filter."),
        "log.noMatchYet": _("No match in the lines searched so far."),
        "log.searching": _("Searching …"),
    }


def _topology() -> dict[str, str]:
    return {
        "topology.label": _("Cluster topology"),
        "topology.edges.one": _("1 Edge"),
        "topology.edges.other": _("{count} Edges"),
        "topology.expand": _("Show all Edges of {node}"),
        "topology.fold": _("Hide the Edges of {node}"),
        "topology.node": _("{role} {node}: {state}"),
        "topology.help": _("Arrow keys move between nodes, Enter opens the node."),
        "topology.controls": _("Zoom"),
        "topology.zoomIn": _("Zoom in"),
        "topology.zoomOut": _("Zoom out"),
        "topology.fit": _("Show all"),
        "topology.running": _("{running} of {slots} slots busy"),
        "topology.memory": _("MEM"),
        "topology.thisPage": _("this page"),
        "topology.push": _("to this page {latency}"),
    }


def _palette() -> dict[str, str]:
    return {
        "palette.none": _("No matches on this page."),
        "palette.node": _("Node"),
        "palette.task": _("Task"),
        "palette.page": _("Page"),
        "palette.action": _("Action"),
    }


def _chat() -> dict[str, str]:
    return {
        "chat.approval": _("Approval: {action}"),
        "chat.approvalTitle": _("Waiting for your approval"),
        "chat.approve": _("Approve"),
        "chat.refuse": _("Refuse"),
        "chat.askedBy": _("asked by {name}"),
        "chat.expiresIn": _("expires in {duration}"),
        "chat.expired": _("expired"),
        "chat.needsRight": _("Your role cannot approve or refuse this."),
        "chat.turnOf": _("From {name}"),
        "chat.noticed": _("AgentFlow noticed"),
        "chat.looksInto": _("{state}: what is the cause, and what helps?"),
        "chat.answered": _("The answer is ready."),
        "chat.retrying": _("The model did not respond ({reason}). Retrying in {seconds} s."),
        "chat.notLoaded": _("The conversation could not be loaded."),
        "chat.retry": _("Try again"),
        "chat.tokens": _("{input} tokens in, {output} out"),
        "chat.atLeast": _("at least {cost}"),
        "chat.tooLong": _("Too long: at most {limit} characters."),
        "chat.noAnswer": _("No response from the Leader. The conversation shows whether it was accepted."),
        "chat.noContext": _("No project or node matches."),
        "chat.everything": _("everything"),
        "chat.wholeNode": _("everything on this node"),
        "chat.wholeProject": _("this project on every node"),
        "chat.byRules": _("Answers are rule-based, without a language model."),
        "chat.aboutTask": _("Task “{name}” ({id}): "),
    }


def _analysis() -> dict[str, str]:
    return {
        "analysis.title": _("Analysis"),
        "analysis.notice": _("{name}: the analysis is ready"),
        "analysis.byModel": _("by the model"),
        "analysis.byRules": _("by rules, without a model"),
        "analysis.evidence.one": _("1 piece of evidence"),
        "analysis.evidence.other": _("{count} pieces of evidence"),
        "analysis.others.one": _("1 other task has the same problem:"),
        "analysis.others.other": _("{count} other tasks have the same problem:"),
        "analysis.fixes": _("Suggested fixes"),
        "analysis.ended": _("No longer possible: the task has ended ({state})."),
        "analysis.over": _("No longer possible: the task has moved on."),
        "analysis.notNow": _("Not possible in the task's current state ({state})."),
        "analysis.goTo": _("To the approval"),
        "evidence.title": _("Evidence"),
        "evidence.all": _("All evidence"),
        "evidence.of": _("Evidence: {name}"),
        "evidence.loading": _("Loading …"),
        "evidence.none": _("No evidence was stored."),
        "evidence.partial": _("Commands and stacks are left out: only people who may run commands see them."),
        "evidence.noOutput": _("No output yet."),
        "evidence.noProcesses": _("No processes were found."),
        "evidence.noSamples": _("No metrics yet."),
        "evidence.gone": _("The alert no longer exists."),
        "evidence.acknowledged": _("Acknowledged by {name}"),
        "evidence.command": _("Command"),
        "evidence.pid": _("Process"),
        "evidence.state": _("State"),
        "evidence.waits": _("Waiting in"),
        "evidence.cpu": _("CPU time"),
        "evidence.when": _("When"),
        "evidence.last": _("last seen"),
        "evidence.before": _("{seconds} s before"),
        "evidence.output": _("Output"),
        "evidence.read": _("Read"),
        "evidence.written": _("Written"),
        "evidence.processes": _("Processes"),
        "evidence.nodeCpu": _("Node's CPU"),
    }
