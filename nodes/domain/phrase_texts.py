"""AgentFlow's own messages about tasks and nodes, by key, in English. Pages show them in the reader's language.

`{name}` is replaced by a value of the phrase (nodes.domain.phrases).
This module imports nothing, because every task's shim loads it.
"""


def _(text: str) -> str:
    """Marks `text` for translation."""
    return text


ENGLISH = {
    # Between the clauses of one message.
    "clauses": _("; "),
    # Alerts.
    "node-offline": _("{node} is offline."),
    "node-disk": _("{node}: disk use has reached {percent}%."),
    "node-memory": _("{node}: memory use has reached {percent}%."),
    "clock-ahead": _(
        "{node}: the clock is about {minutes} min ahead of the Leader's, and so are the times it reports."
    ),
    "clock-behind": _("{node}: the clock is about {minutes} min behind the Leader's, and so are the times it reports."),
    "clock-hours-ahead": _(
        "{node}: the clock is about {hours} h ahead of the Leader's, and so are the times it reports."
    ),
    "clock-hours-behind": _(
        "{node}: the clock is about {hours} h behind the Leader's, and so are the times it reports."
    ),
    "duplicate-node": _("Another node named {node} tried to connect from {address} and was refused."),
    "foreign-node": _(
        "{peer} sent messages for {node} without the right to speak for it. They were refused; see the quarantined"
        " entries."
    ),
    "token-ended": _(
        "The token of {node} expired on {day} and is accepted for 7 days after that. It was not renewed: the node was"
        " away, or a clock is wrong."
    ),
    "wal-large": _(
        "{file} has grown beyond {size} MiB: a program keeps reading the database (a database shell or a backup)."
    ),
    "stalled": _("no output, CPU or I/O progress for {seconds} s"),
    "usual-end": _("usually ends after {seconds} s"),
    "waiting": _("waiting for input: {readers} is reading the task's standard input"),
    "waiting-somehow": _("waiting for input: a process is reading the task's standard input"),
    "config-line": _("{node}: line {line} of {file} is not valid, so the node keeps its earlier configuration"),
    "config-file": _("{node}: {file} cannot be read, so the node keeps its earlier configuration"),
    # Why a configuration file is not valid.
    "as-said": _("{said}"),
    "not-unicode": _("it is not UTF-8"),
    "nested-too-deep": _("it is nested too deeply"),
    "config-too-large": _("it is too large: with the full paths of its projects, {limit} KiB are possible"),
    "project-without-folder": _("project '{project}': there is no folder {folder}"),
    "project-without-path": _("project '{project}' needs a path, such as path = \"/srv/{project}\""),
    "bad-pattern": _("project '{project}': the pattern '{pattern}' cannot be used: {said}"),
    "empty-pattern": _("project '{project}': the pattern '{pattern}' matches empty text"),
    "task-without-argv": _('task \'{task}\' needs argv, a list of words such as ["make", "build"]'),
    "unknown-key": _("unknown key '{name}'; known keys: {known}"),
    "table-expected": _("{field}: expected a table"),
    "bad-name": _(
        "'{name}' is not a valid name: use letters and digits of any script, '_', '.' and '-', at most {limit}"
    ),
    "same-name": _("'{name}' is there twice, in two spellings"),
    # Why a task waits for a node.
    "unassigned": _("waiting to be assigned to a node"),
    "slot": _("waiting for a free slot on {nodes}"),
    "unknown-node": _("{node} is unknown"),
    "not-online": _("{node} is not online"),
    "runs-no-commands": _("{node} does not run commands"),
    "has-no-project": _("{node} has no project {project}"),
    "has-no-task": _("{node} has no task {task} in project {project}"),
    "nobody-runs-commands": _("no online node runs commands"),
    "nobody-runs-commands-in": _("no online node with project {project} runs commands"),
    "nobody-has-project": _("no online node has project {project}"),
    "nobody-has-task": _("no online node has the task {task} of project {project}"),
    "had-no-slot": _("{node} had no free slot"),
    "out-of-reach": _("{node} could not be reached"),
    # How an attempt ended, as its node knows it.
    "timed-out": _("timed out after {seconds} s"),
    "cancelled": _("cancelled"),
    "cancelled-because": _("cancelled: {reason}"),
    "supervisor-ended": _("the supervisor received a stop signal"),
    "killed-after": _("killed because it was still running {seconds} s after SIGTERM"),
    "unkillable": _("cannot be killed: {count} of its processes are blocked in the kernel"),
    "exit-code": _("exit code {code}"),
    "ended-by": _("ended by {signal}"),
    "ended-by-number": _("ended by signal {number}"),
    "no-folder": _("working folder does not exist: {folder}"),
    "not-a-folder": _("working folder is not a folder: {folder}"),
    "folder-closed": _("cannot enter working folder {folder}: {error}"),
    "cannot-start": _("cannot start ({stage}): {error}"),
    "no-interpreter": _("the interpreter of {command} was not found"),
    "no-command": _("command not found: {command}"),
    "cannot-run": _("cannot run {command}: {error}"),
    "unsupervised": _("stopped right after starting because it could not be supervised: {error}"),
    "never-started": _("the agent stopped before it started the task"),
    "could-not-start": _("could not start: {said}"),
    "may-still-run": _("processes of it may still run"),
    "machine-restarted": _("the machine was restarted"),
    "supervisor-died": _("the supervisor crashed without recording the outcome"),
    "supervisor-said": _("the supervisor crashed without recording the outcome: {said}"),
    # Why a node refuses a task.
    "only-named-tasks": _("this node runs only the named tasks of its projects"),
    "only-as-configured": _("this node runs its named tasks only as configured"),
    "no-project-here": _("this node has no project '{project}'"),
    "no-task-here": _("project '{project}' has no task '{task}'"),
    "task-needs-project": _("a named task needs a project"),
    "nothing-to-run": _("there is no command to run"),
    "bad-variable": _("environment variable '{name}' cannot be set"),
    "node-error": _("the node cannot start tasks: {error}"),
    # Why a node cannot be retired.
    "node-is-leader": _("{node} is the Leader."),
    "node-is-online": _("{node} is online. Stop it or revoke its token first."),
    # Why a request is not valid.
    "one-way-to-run": _("Give exactly one of: a command (argv), a shell line or a named task."),
    "name-the-project": _("A named task belongs to a project. Give the project too."),
    "long-name": _("The name is longer than {limit} characters."),
    "long-project": _("The project's name is longer than {limit} characters."),
    "long-named-task": _("The named task is longer than {limit} characters."),
    "long-node": _("The node's name is longer than {limit} characters."),
    "long-directory": _("The working folder is longer than {limit} characters."),
    "bad-timeout": _("The timeout must be between 0 (none) and {limit} seconds."),
    "bad-stall-limit": _("The stall limit must be between 0 (none) and {limit} seconds."),
    "long-input": _("Send at most {limit} bytes of input at once."),
    "no-program": _("The first word of the command is empty. Give a program."),
    "many-arguments": _("A command has at most {limit} arguments."),
    "long-command": _("The command is longer than {limit} bytes. Put it in a script."),
    "many-variables": _("Set at most {limit} environment variables."),
    "bad-variable-name": _(
        "{name} is not a valid environment variable name. Use letters, digits and _, and do not start with a digit."
    ),
    "long-environment": _("The environment is larger than {limit} bytes."),
    "unseen-characters": _("The project or the named task contains characters that nobody sees."),
    "not-text": _("The request contains a NUL character or text that is not valid Unicode."),
    # Which field of a request is not as declared.
    "field-unknown": _("{field}: unknown field. Known fields: {known}."),
    "field-missing": _("{field}: this field is required."),
    "any-text-expected": _("{field}: expected a text without NUL characters."),
    "text-expected": _("{field}: expected a text of at most {limit} characters, without NUL characters."),
    "some-text-expected": _("{field}: expected a text of 1 to {limit} characters, without NUL characters."),
    "whole-number-expected": _("{field}: expected a whole number from {least} to {limit}."),
    "number-expected": _("{field}: expected a number from {least} to {limit}."),
    "flag-expected": _("{field}: expected true or false."),
    "choice-expected": _("{field}: expected one of {choices}."),
    "list-expected": _("{field}: expected a list of at most {limit} entries."),
    "some-list-expected": _("{field}: expected a list of 1 to {limit} entries."),
    "mapping-expected": _("{field}: expected an object of at most {limit} entries."),
    "object-expected": _("{field}: expected an object."),
    "message-object-expected": _("Expected a JSON object."),
    "topic-expected": _("{field}: unknown topic."),
    "position-expected": _("{field}: expected a position: store and seq, or a feed number."),
    "variable-name-expected": _("{field}: variable names must not be empty or contain '=' or NUL."),
    "one-way-to-run-expected": _("Give exactly one of namedTask, argv and shellLine."),
    # How an attempt ended, as the Leader knows it.
    "came-back-without": _("The node reconnected without this task. Processes of it may still run."),
    "cancelled-before-start": _("Cancelled before it started."),
    "lost-with-node": _("{node} was retired while the task was there. The task may still run on that machine."),
    "target-retired": _("{node} was retired, and this task was to run on it alone."),
    "never-runs": _("no node can run it"),
    # Why a request to a task is refused.
    "command-needs-right": _("Only people who may run commands can answer or retry a command."),
    "definition-changed": _("The definition of {task} in project {project} has changed since it last ran."),
    "only-alert": _("This Leader has only an alert about the task."),
    "only-output": _("This Leader has only the task's output."),
}
