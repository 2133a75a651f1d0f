"""Decides which waiting task goes to which node, and why the others wait. Pure: values in, decisions out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nodes.domain.phrases import Phrase, phrase


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A task without a node."""

    task_id: str
    target: str = ""  # Node id; empty = any suitable node.
    project: str = ""
    named_task: str = ""  # Empty = a command.


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A node as the policy sees it."""

    node_id: str
    is_online: bool
    slots: int
    occupied: int = 0
    # It has just reported "busy": it has work that the Leader does not know of.
    is_resting: bool = False
    allows_commands: bool = False
    # Supports only the base messages: it reports no slots or projects, and gets only tasks that name it as the target.
    is_base: bool = False
    projects: Mapping[str, frozenset[str]] = field(default_factory=dict)  # Project → its named tasks.
    # False: it has just registered, and has not said yet what it can do.
    has_reported: bool = True

    def knows(self, waiting: Waiting) -> bool:
        """Whether it could run the task if it had a free slot."""
        if self.is_base:
            return waiting.target == self.node_id and not waiting.named_task
        if waiting.project and waiting.project not in self.projects:
            return False
        if waiting.named_task:
            return waiting.named_task in self.projects.get(waiting.project, ())
        return self.allows_commands


@dataclass(frozen=True, slots=True)
class Assignment:
    task_id: str
    node_id: str


@dataclass(frozen=True, slots=True)
class Postponed:
    task_id: str
    reason: Phrase


@dataclass(frozen=True, slots=True)
class Impossible:
    """No node that the Leader knows can ever run it; a node that is away may come back."""

    task_id: str
    reason: Phrase


Decision = Assignment | Postponed | Impossible


def decide(waiting: Sequence[Waiting], workers: Iterable[Worker]) -> list[Decision]:
    """One decision per task, oldest task first; each free slot is assigned once.

    Among suitable nodes, the one with the smallest share of occupied slots wins; then the one with more free slots,
    then the first by name.
    """
    by_id = {worker.node_id: worker for worker in workers}
    occupied = {worker.node_id: worker.occupied for worker in by_id.values()}
    decisions: list[Decision] = []
    for task in waiting:
        decision = _decide(task, by_id, occupied)
        if isinstance(decision, Assignment):
            occupied[decision.node_id] += 1
        decisions.append(decision)
    return decisions


def _decide(task: Waiting, workers: Mapping[str, Worker], occupied: Mapping[str, int]) -> Decision:
    if task.target:
        return _decide_target(task, workers.get(task.target), occupied)
    able = [worker for worker in workers.values() if worker.is_online and worker.knows(task)]
    if not able:
        # A node that is offline may still have what it last reported.
        is_over = bool(workers) and all(worker.has_reported and not worker.knows(task) for worker in workers.values())
        return (Impossible if is_over else Postponed)(task.task_id, _why_no_node(task, workers.values()))
    free = [worker for worker in able if _is_free(worker, occupied)]
    if not free:
        names = ", ".join(sorted(worker.node_id for worker in able)[:3])
        return Postponed(task.task_id, phrase("slot", nodes=f"{names} …" if len(able) > 3 else names))
    best = min(free, key=lambda worker: _load(worker, occupied))
    return Assignment(task.task_id, best.node_id)


def _decide_target(task: Waiting, worker: Worker | None, occupied: Mapping[str, int]) -> Decision:
    if worker is None:
        return Impossible(task.task_id, phrase("unknown-node", node=task.target))
    if not worker.is_online:
        return Postponed(task.task_id, phrase("not-online", node=task.target))
    if not worker.knows(task):
        return (Impossible if worker.has_reported else Postponed)(task.task_id, _why_not(task, worker))
    if not _is_free(worker, occupied):
        return Postponed(task.task_id, phrase("slot", nodes=task.target))
    return Assignment(task.task_id, task.target)


def _is_free(worker: Worker, occupied: Mapping[str, int]) -> bool:
    return not worker.is_resting and (worker.is_base or occupied[worker.node_id] < worker.slots)


def _load(worker: Worker, occupied: Mapping[str, int]) -> tuple[float, int, str]:
    taken = occupied[worker.node_id]
    return taken / max(worker.slots, 1), taken - worker.slots, worker.node_id


def _why_no_node(task: Waiting, workers: Iterable[Worker]) -> Phrase:
    if task.named_task:
        return phrase("nobody-has-task", task=task.named_task, project=task.project)
    if not task.project:
        return phrase("nobody-runs-commands")
    if any(worker.is_online and task.project in worker.projects for worker in workers):
        return phrase("nobody-runs-commands-in", project=task.project)
    return phrase("nobody-has-project", project=task.project)


def _why_not(task: Waiting, worker: Worker) -> Phrase:
    if task.project and task.project not in worker.projects:
        return phrase("has-no-project", node=worker.node_id, project=task.project)
    if task.named_task:
        return phrase("has-no-task", node=worker.node_id, task=task.named_task, project=task.project)
    return phrase("runs-no-commands", node=worker.node_id)
