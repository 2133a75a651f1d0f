"""Reads of tasks, their attempts and commands."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from django.db.models import Q, QuerySet

from nodes.domain.names import normal_name
from nodes.domain.states import CommandState
from nodes.errors import NotFound
from nodes.leader.projection.message_base import Message
from nodes.leader.projection.private import is_free, public_request
from nodes.leader.projection.state_cache import OPEN_TASKS
from nodes.leader.projection.task_messages import (
    CommandInfo,
    TaskInfo,
    attempt_info,
    command_info,
    command_line,
    task_info,
    without_secrets,
)
from nodes.models import Attempt, Command, Task
from nodes.selectors.paging import MAX_ROWS, PAGE_ROWS, page_of

SNAPSHOT_OPEN_TASKS = 1_000
SNAPSHOT_ENDED_TASKS = 200
SNAPSHOT_COMMANDS = 200
# How long a task shows the outcome of a command.
COMMAND_NEWS = timedelta(minutes=10)
_OPEN_COMMANDS = tuple(state for state in CommandState if not state.is_final)
_SETTLED_COMMANDS = tuple(state for state in CommandState if state not in _OPEN_COMMANDS)


def task_list(
    *,
    state: Collection[str] = (),
    node: str = "",
    project: str = "",
    text: str = "",
    limit: int = 100,
    page: int = 1,
) -> Message:
    """Tasks, newest first. `state`: any of these; `text`: contained in the name or the last message."""
    tasks = Task.objects.order_by("-created_at", "-id")
    if state:
        tasks = tasks.filter(state__in=sorted(state))
    if node:
        tasks = tasks.filter(node=node)
    if project:
        tasks = tasks.filter(project=normal_name(project))
    if text:
        tasks = tasks.filter(Q(name__icontains=text) | Q(message__icontains=text) | Q(id=text))
    rows, has_more = page_of(tasks.select_related("node"), page, min(max(limit, 1), MAX_ROWS))
    return {"results": [task_info(task, node=task.node) for task in rows], "page": page, "hasMore": has_more}


def task_detail(task_id: str, *, sees_commands: bool = False) -> Message:
    """TaskInfo with the request (secrets removed), the attempts and the latest commands. Raises `NotFound`.

    `sees_commands`: the reader may run commands; others see nothing of what a free command runs.
    """
    task = Task.objects.filter(id=task_id).select_related("node").first()
    if task is None:
        raise NotFound(f"There is no task {task_id}.")
    commands = Command.objects.filter(task=task_id).order_by("-created_at", "-id")[:PAGE_ROWS]
    return {
        **task_info(task, node=task.node),
        "command": command_line(task.spec) if sees_commands or not is_free(task.spec) else None,
        "spec": without_secrets(task.spec if sees_commands else public_request(task.spec)),
        "attempts": task_attempts(task_id, sees_commands=sees_commands),
        "commands": [command_info(command) for command in commands],
    }


def recent_commands(task_ids: Collection[str] = ()) -> list[CommandInfo]:
    """Commands that are open or were settled recently, newest first; of these tasks, or of all."""
    commands = Command.objects.filter(task__in=task_ids) if task_ids else Command.objects.all()
    lately = datetime.now(UTC) - COMMAND_NEWS
    # Two reads, each using the index by state.
    found = [
        *commands.filter(state__in=_OPEN_COMMANDS).order_by("-changed_at")[:SNAPSHOT_COMMANDS],
        *commands.filter(state__in=_SETTLED_COMMANDS, changed_at__gte=lately).order_by("-changed_at")[
            :SNAPSHOT_COMMANDS
        ],
    ]
    found.sort(key=lambda command: (command.created_at, command.id), reverse=True)
    return [command_info(command) for command in found]


def known_tasks(task_ids: Collection[str]) -> list[TaskInfo]:
    """These tasks, except those that no longer exist."""
    return task_infos(Task.objects.filter(id__in=sorted(task_ids)[:MAX_ROWS])) if task_ids else []


def task_attempts(task_id: str, *, sees_commands: bool = False) -> list[Message]:
    """Every attempt of the task, newest first. `sees_commands`: as for `task_detail`. Raises `NotFound`."""
    attempts = Attempt.objects.filter(task=task_id).select_related("task").order_by("-number")[:MAX_ROWS]
    found = [attempt_info(attempt, attempt.task, sees_commands=sees_commands) for attempt in attempts]
    if not found:
        raise NotFound(f"There is no task {task_id}.")
    return found


def work_log(
    *,
    node: str = "",
    state: str = "",
    project: str = "",
    text: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    page: int = 1,
    limit: int = PAGE_ROWS,
    sees_commands: bool = False,
) -> Message:
    """Attempts of all tasks, newest first. `text`: contained in the name, the message or the command, the last only
    for readers who see it (`sees_commands`, as for `task_detail`): a search must not reveal what it finds.
    """
    attempts = Attempt.objects.select_related("task").order_by("-created_at", "-id")
    if node:
        attempts = attempts.filter(node=node)
    if state:
        attempts = attempts.filter(state=state)
    if project:
        attempts = attempts.filter(task__project=normal_name(project))
    if since:
        attempts = attempts.filter(created_at__gte=since)
    if until:
        attempts = attempts.filter(created_at__lt=until)
    if text:
        found = Q(task__name__icontains=text) | Q(message__icontains=text) | Q(task__spec__named_task__icontains=text)
        if sees_commands:
            # Not in the whole request: a search must not reveal the values of an environment.
            found |= Q(task__spec__shell_line__icontains=text) | Q(task__spec__argv__icontains=text)
        attempts = attempts.filter(found)
    rows, has_more = page_of(attempts, page, min(max(limit, 1), MAX_ROWS))
    results = [attempt_info(attempt, attempt.task, sees_commands=sees_commands) for attempt in rows]
    return {"results": results, "page": page, "hasMore": has_more}


def current_tasks() -> list[TaskInfo]:
    """Open tasks, and the newest of those that have ended."""
    tasks = Task.objects.filter(state__in=OPEN_TASKS)[:SNAPSHOT_OPEN_TASKS]
    ended = Task.objects.exclude(state__in=OPEN_TASKS)[:SNAPSHOT_ENDED_TASKS]
    return [*task_infos(tasks), *task_infos(ended)]


def task_infos(tasks: QuerySet[Task]) -> list[TaskInfo]:
    return [task_info(task, node=task.node) for task in tasks.select_related("node")]
