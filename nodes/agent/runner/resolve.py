"""Resolves a request to what this node runs: command, folder, limits, environment. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nodes.agent.announced import announced
from nodes.agent.runner.config import RunnerConfig
from nodes.agent.runner.environment import identity_variables
from nodes.core.project_secrets import ProjectSecrets
from nodes.core.secrets import REDACTED, is_secret_name
from nodes.domain.commands import SHELL, ResolvedCommand, StartTask, TaskSpec
from nodes.domain.events import NamedTask, Project
from nodes.domain.phrases import Phrase, english, phrase
from nodes.errors import TaskRejected

# Of the resolved command's arguments, and of its variables: it travels in one journal entry with the request.
_SHOWN_CHARACTERS = 8 << 10
_CUT = "…"

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """As the shim receives it, in JSON."""

    argv: tuple[str, ...]
    working_directory: str
    environment: Mapping[str, str]
    timeout_seconds: float
    close_input: bool
    secrets: ProjectSecrets


def resolve(start: StartTask, config: RunnerConfig) -> tuple[StartTask, Launch]:
    """The request, completed from its named task and with the command that it resolves to, and what it runs.

    Raises TaskRejected: no-such-project, no-such-named-task, forbidden, bad-request.
    """
    spec = start.spec
    project = _project(spec, config)
    named = _named_task(spec, project)
    if named is None and not config.allow_commands:
        raise _rejected("forbidden", phrase("only-named-tasks"))
    if named is not None and not config.allow_commands and (spec.environment or spec.working_directory):
        # Either could turn a named task into any command (by PATH, or a Makefile in another folder).
        raise _rejected("forbidden", phrase("only-as-configured"))
    if named is not None:
        spec = named.complete(spec)
    launch = Launch(
        argv=_argv(spec, named),
        working_directory=str(_folder(spec, project, config)),
        environment=_environment(start, config),
        timeout_seconds=spec.timeout_seconds,
        close_input=spec.close_input,
        secrets=config.secrets_of(spec.project),
    )
    return replace(start, spec=spec, resolved=_resolved(launch, named)), launch


def _resolved(launch: Launch, named: NamedTask | None) -> ResolvedCommand:
    """The launch as history keeps it."""
    environment = launch.environment
    redactor = launch.secrets.redactor(environment)
    variables = (
        (name, REDACTED if is_secret_name(name) else redactor.hide(value)) for name, value in environment.items()
    )
    return ResolvedCommand(
        argv=tuple(word for (word,) in _fitting((word,) for word in redactor.hide_in_argv(launch.argv))),
        working_directory=launch.working_directory,
        environment={name: value for name, value in _fitting(variables)},
        definition=announced(named, launch.secrets).digest if named is not None else "",
    )


def _fitting(rows: Iterable[Words]) -> Iterator[Words]:
    """The first rows that fit; the last word of one that does not is cut, and the others are left out."""
    left = _SHOWN_CHARACTERS
    for row in rows:
        left -= sum(map(len, row)) + 1
        if left < 0:
            yield (*row[:-1], row[-1][: max(left, -len(row[-1]))] + _CUT)
            return
        yield row


def _rejected(code: str, why: Phrase) -> TaskRejected:
    return TaskRejected(code, english([why]), [why])


def _project(spec: TaskSpec, config: RunnerConfig) -> Project | None:
    if not spec.project:
        return None
    found = next((project for project in config.projects if project.name == spec.project), None)
    if found is None:
        raise _rejected("no-such-project", phrase("no-project-here", project=spec.project))
    return found


def _named_task(spec: TaskSpec, project: Project | None) -> NamedTask | None:
    if not spec.named_task:
        return None
    if project is None:
        raise _rejected("bad-request", phrase("task-needs-project"))
    found = next((task for task in project.tasks if task.name == spec.named_task), None)
    if found is None:
        raise _rejected("no-such-named-task", phrase("no-task-here", project=project.name, task=spec.named_task))
    return found


def _argv(spec: TaskSpec, named: NamedTask | None) -> tuple[str, ...]:
    if named is not None:
        return named.argv
    argv = (SHELL, "-c", spec.shell_line) if spec.shell_line else spec.argv
    if not argv or not argv[0]:
        raise _rejected("bad-request", phrase("nothing-to-run"))
    return argv


def _folder(spec: TaskSpec, project: Project | None, config: RunnerConfig) -> Path:
    home = Path(project.path) if project is not None else config.default_folder
    return home / spec.working_directory  # An absolute path replaces the project's folder.


def _environment(start: StartTask, config: RunnerConfig) -> dict[str, str]:
    environment = {
        **config.environment,
        "AGENTFLOW_PROJECT": start.spec.project,
        **start.spec.environment,
        # Last: they identify the task's processes, so no request may give them another task's.
        **identity_variables(start),
    }
    for name, value in environment.items():
        if not name or "=" in name or "\0" in name + value:
            raise _rejected("bad-request", phrase("bad-variable", name=name))
    return environment
