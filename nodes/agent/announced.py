"""Named tasks as the agent announces them: without the secrets in their commands."""

from __future__ import annotations

from msgspec import structs

from nodes.core.project_secrets import ProjectSecrets
from nodes.domain.events import NamedTask


def announced(task: NamedTask, secrets: ProjectSecrets) -> NamedTask:
    """The task as people may see it. Its `digest` is the one that the Leader knows."""
    redactor = secrets.redactor({})
    argv = tuple(redactor.hide_in_argv(task.argv))
    return structs.replace(task, argv=argv, description=redactor.hide(task.description))
