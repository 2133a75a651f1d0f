"""The text of every phrase, by key: the fleet's (nodes.phrases), and those of conversations.

`{name}` is replaced by a value of the phrase. The page's script gets the same table (`chat.phrases.script_phrases`).
"""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from nodes import phrases

# Causes of a stuck task, by the rules' category.
_CAUSES: Mapping[str, str | Promise] = {
    "cause.disk-full": _("The disk is full."),
    "cause.memory": _("Memory has run out."),
    "cause.lock": _("It waits for a lock that another process holds."),
    "cause.network": _("The network or a name server does not respond."),
    "cause.storage": _("It waits for a disk or a network drive that does not respond."),
    "cause.busy": _("It uses the CPU without printing anything: it may be looping."),
    "cause.blocked": _("It shows no output, CPU use or I/O, and its output does not say why."),
    "cause.password": _(
        "It asks for a password or another secret. Enter it on the task's page; AgentFlow never suggests one."
    ),
    "cause.yes-no": _("It asks a question and waits for yes or no."),
    "cause.choice": _("It waits for a choice from a list."),
    "cause.enter": _("It waits for Enter."),
    "cause.default": _("It waits for a line of input and names a default."),
    "cause.input": _("It waits for a line of input."),
}

# Possible fixes, their reasons, and whether they helped.
_FIXES: Mapping[str, str | Promise] = {
    "fix.input": _("Answer “{text}”"),
    "fix.enter": _("Press Enter"),
    "fix.pause": _("Pause it"),
    "fix.resume": _("Resume it"),
    "fix.retry": _("Try it again"),
    "fix.cancel": _("Cancel it"),
    "why.stop": _("The task ends; you can start it again."),
    "why.hold": _("The task stays as it is while you look for the cause."),
    "why.until": _("The task waits safely; resume it once the cause is gone."),
    "why.no-answer": _("The task ends without an answer."),
    "why.asked": _("This is what it asks for."),
    "why.own-default": _("It uses the default that it names."),
    "why.offered-default": _("The prompt offers it as the default."),
    "why.offered": _("The prompt offers it."),
    "why.helped": _("It helped before ({helped} of {all} times)."),
    "why.not-helped": _("It did not help before ({helped} of {all} times)."),
    "why.memory": _("Outcome of a fix for alert {alert}."),
    "verdict.ended": _("{fix}: that helped, the task succeeded."),
    "verdict.stopped": _("{fix}: done, the task has ended."),
    "verdict.goes-on": _("{fix}: that helped, the task continues."),
    "verdict.next": _("{fix}: that helped, the task continued and now needs something else."),
    "verdict.failed": _("{fix}: that did not help, the task is {state}."),
    "verdict.again": _("{fix}: that did not help, the task is stuck in the same way again."),
    "verdict.still": _("{fix}: that did not help, the task is stuck as before."),
}

# Automatic turns, and the analysis that answers them (in Markdown).
_TURNS: Mapping[str, str | Promise] = {
    "turn.stall": _("[alert {alert}] task {task}: {state}. What is the cause, and what helps?"),
    "turn.fix": _("Apply suggested fix {number} for task {task}."),
    "answer.cause": _("**{task}** ({id}) on {node}: {cause}"),
    "answer.others": _("Other tasks with the same problem ({count}): {ids}"),
    "answer.fixes": _("Suggested fixes; each needs an approval:"),
    "answer.fix": "{number}. {label}",
    "answer.fix-why": _("{number}. {label}: {why}"),
    "answer.evidence": _("Evidence: {ids}"),
    "answer.by-rules": _("(by rules, without a model)"),
}

# Why a turn has no answer, or not the one that was asked for.
_PROBLEMS: Mapping[str, str | Promise] = {
    "problem.resolved": _("The task continued on its own."),
    "problem.internal": _("Internal error; see the Leader's log."),
    "problem.declined": _("The model declined to answer this."),
    "problem.cut": _("The answer reached the maximum length and was cut off."),
    "problem.empty": _("The model gave no answer."),
    "problem.too-many-rounds": _("No answer after {rounds} rounds of tool calls."),
    "problem.unreachable": _("The model's endpoint is unreachable or drops the connection."),
    "problem.bad-endpoint": _("The model's endpoint does not support the Messages API."),
    "problem.bad-key": _("The model's endpoint refuses the API key."),
    "problem.spend-limit": _("The account's spending limit is reached."),
    "problem.no-such-model": _("The model's endpoint does not know the model “{model}”, or its address is wrong."),
    "problem.refused": _("The model's endpoint refuses the request ({status})."),
    "problem.rate-limited": _("The model's endpoint asks to wait {minutes} min; try again after that."),
    "problem.overloaded": _("The model's endpoint is overloaded; try again later."),
    "problem.context-overflow": _("The conversation has become too long for the model."),
    "problem.thinking-refused": _("The model's endpoint does not accept the history of this conversation."),
    "retry.unreachable": _("no connection"),
    "retry.bad-endpoint": _("not the Messages API"),
    "retry.rate-limited": _("too many requests"),
    "retry.overloaded": _("overloaded"),
}

# The exact action, for the person who approves it.
_ACTIONS: Mapping[str, str | Promise] = {
    "act.pause": _("Pause {task}"),
    "act.resume": _("Resume {task}"),
    "act.cancel": _("Cancel {task}"),
    "act.retry": _("Retry {task}"),
    "act.input": _("Send “{input}” to {task}"),
    "act.run": _("Run {task} of {project} on {node}"),
    "act.command": _("Run the command {command} on {node}"),
    "act.some-command": _("Run a command on {node}"),
    "act.task": _("“{name}” ({id}, {node})"),
    "act.any-node": _("any node"),
    "act.no-node": _("no node yet"),
    "memory.view": _("Read {path} in the memory"),
    "memory.create": _("Write {path} in the memory"),
    "memory.str_replace": _("Change {path} in the memory"),
    "memory.insert": _("Add to {path} in the memory"),
    "memory.delete": _("Delete {path} in the memory"),
    "memory.rename": _("Rename {path} in the memory to {to}"),
}

# Outcomes of actions, and why an action was not executed.
_OUTCOMES: Mapping[str, str | Promise] = {
    "outcome.done": _("Done."),
    "outcome.is-now": _("Done: {task} is now {state}."),
    "outcome.unchanged": _("Nothing to do: {task} is already {state}."),
    "outcome.failed": _("That did not work ({reason}). {task} is {state}."),
    "outcome.not-done": _("That was not done: {reason}"),
    "command.failed": pgettext_lazy("command state", "failed"),
    "command.expired": pgettext_lazy("command state", "expired before it ran"),
    "command.unknown": pgettext_lazy("command state", "outcome unknown"),
    "reason.finished": _("The task has already ended."),
    "reason.not-running": _("The task is not running yet."),
    "reason.no-input": _("The task's standard input is closed."),
    "reason.not-finished": _("The task has not ended; cancel it first."),
    "reason.definition-changed": _(
        "The task's definition has changed since it last ran. Retry it on its page, which shows the change."
    ),
    "reason.no-such-node": _("There is no such node."),
    "reason.no-such-project": _("The node has no such project."),
    "reason.no-such-named-task": _("The project has no such named task."),
    "reason.no-request": _("The Leader does not have this task's command, so it cannot be retried."),
    "refused.expired": _("No decision in time."),
    "refused.declined": _("{name} declined this action."),
    "refused.stale": _("Its target has changed since it was proposed."),
    "refused.superseded": _("A newer message replaced it."),
    "refused.stopped": _("The turn was stopped."),
    "refused.turn-failed": _("The turn failed."),
    "refused.interrupted": _("The Leader stopped; nothing was done."),
    "refused.never-sent": _("The Leader stopped before this was sent; nothing was done."),
    "refused.read-again": _("The Leader stopped; read again."),
    "refused.not-stuck": _("The task is no longer stuck there."),
    "refused.too-many": _("At most {count} calls in one answer."),
    "refused.may-not-see": _("The person who asked may not see this."),
    "refused.may-not-remember": _("No one with permission to change the memory asked for this."),
    "refused.may-not": _("{name} may not do this."),
    "refused.nobody": _("No one may do this."),
    "refused.not-any-more": _("This call can no longer run."),
    "refused.slow": _("The database did not respond in time."),
    "refused.broken": _("Reading failed; see the Leader's log."),
    "left.stopped": _("No longer waiting; what was sent continues."),
    "left.turn-failed": _("The turn failed; whether this took effect is unknown."),
}

WORDS: Mapping[str, str | Promise] = {
    **phrases.WORDS,
    # These join their `parts`.
    "lines": "\n",
    "sentences": " ",
    **_CAUSES,
    **_FIXES,
    **_TURNS,
    **_PROBLEMS,
    **_ACTIONS,
    **_OUTCOMES,
}
