"""What the fleet's nodes can run, by their latest reports: refuses requests that no node can run, and retries whose
named task has changed since.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from nodes.core.secrets import hide_in_argv
from nodes.domain.commands import TaskSpec
from nodes.domain.events import NamedTask
from nodes.domain.phrases import english, phrase
from nodes.domain.states import Role
from nodes.errors import TaskRejected
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.models import Attempt, Node

CHANGED = "definition-changed"
_SHOWN_CHARACTERS = 500


def projects_of(node: Node) -> dict[str, frozenset[str]]:
    """Project → named tasks, as the node reported them."""
    return {
        project["name"]: frozenset(task["name"] for task in project["tasks"])
        for project in node.capabilities.get("projects", ())
    }


def check_known(unit: UnitOfWork, spec: TaskSpec) -> None:
    """Refuses a task that no known node can run; a task that an offline node could run waits. Raises `TaskRejected`."""
    nodes = _targets(unit, spec)
    where = f"{spec.node} has" if spec.node else "No node has"
    negation = " no" if spec.node else " a"
    base = any(node.is_base_client for node in nodes) and bool(spec.node)
    if spec.project and not base:
        # A base client's projects are those of its tasks so far; it gets only tasks that name it.
        known = (projects_of(node).get(spec.project) for node in nodes if not node.is_base_client)
        tasks = [names for names in known if names is not None]
        if not tasks:
            raise TaskRejected("no-such-project", f"{where}{negation} project {spec.project}.")
        if spec.named_task and not any(spec.named_task in names for names in tasks):
            raise TaskRejected(
                "no-such-named-task", f"{where}{negation} task {spec.named_task} in project {spec.project}."
            )
    if spec.named_task and base:
        raise TaskRejected("no-such-named-task", f"{spec.node} has no named tasks.")
    if not spec.named_task and spec.node and not base and not nodes[0].capabilities.get("allowsCommands"):
        raise TaskRejected("commands-not-allowed", f"{spec.node} runs only the named tasks of its projects.")


def _targets(unit: UnitOfWork, spec: TaskSpec) -> list[Node]:
    """The nodes that may get the task."""
    if not spec.node:
        return list(unit.cache.nodes.values())
    node = unit.cache.nodes.get(spec.node)
    if node is None:
        raise TaskRejected("no-such-node", f"There is no node {spec.node}.")
    if node.role == Role.LEADER:
        raise TaskRejected("no-such-node", f"{spec.node} is the Leader; tasks run on Masters and Edges.")
    return [node]


def check_unchanged(unit: UnitOfWork, task_id: str, spec: TaskSpec, *, accepted: str) -> None:
    """Refuses a retry that could run something else than the task last ran, unless the person has accepted that.

    `accepted`: the definition that an earlier refusal named. Raises `TaskRejected` with it in `details`; the attempts
    of earlier versions and of base clients say nothing about their definition.
    """
    if not spec.named_task:
        return
    last = Attempt.objects.filter(task=task_id).exclude(resolved=None).order_by("-number").first()
    ran = last.resolved if last is not None else None
    if not ran or not ran["definition"]:
        return
    changed = {name: task for name, task in _definitions(unit, spec) if task.digest != ran["definition"]}
    if not changed:
        return
    current = hashlib.sha256(" ".join(sorted({task.digest for task in changed.values()})).encode()).hexdigest()[:16]
    if accepted == current:
        return
    now = next(iter(changed.values()))
    details = {
        "definition": current,
        "nodes": sorted(changed)[:10],
        "before": _shown(ran["argv"]),
        "after": _shown(now.argv),
        "timeoutSeconds": now.timeout_seconds,
        "stallAfterSeconds": now.stall_after_seconds,
    }
    why = phrase("definition-changed", task=spec.named_task, project=spec.project)
    raise TaskRejected(CHANGED, english([why]), [why], details=details)


def _definitions(unit: UnitOfWork, spec: TaskSpec) -> Iterator[tuple[str, NamedTask]]:
    """Each node that may get the task, with its current definition."""
    for node in sorted(_targets(unit, spec), key=lambda node: node.id):
        for project in node.capabilities.get("projects", ()):
            found: dict[str, Any] | None = next((t for t in project["tasks"] if t["name"] == spec.named_task), None)
            if project["name"] == spec.project and found is not None:
                yield node.id, msgspec.convert(found, NamedTask)


def _shown(argv: Sequence[str]) -> str:
    line = shlex.join(hide_in_argv(argv, {}))
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 1] + "…"
