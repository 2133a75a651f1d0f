"""Retires a node that is gone for good: out of lists, choices and counts; its history stays."""

from __future__ import annotations

from nodes.domain.phrases import phrase
from nodes.domain.states import CommandState, NodeState, Role, TaskState
from nodes.errors import NotFound, TaskRejected
from nodes.leader.projection.commands import expire, settle
from nodes.leader.projection.tasks import end_attempt
from nodes.leader.projection.unit_of_work import UnitOfWork


def retire(unit: UnitOfWork, node_id: str) -> bool:
    """Ends everything that waits for the node. It is back in use when it connects with a valid token.

    False if it was retired before. Raises `NotFound`, and `TaskRejected` for a node that is online or is the Leader.
    """
    if node_id in unit.cache.retired:
        return False
    node = unit.cache.nodes.get(node_id)
    if node is None:
        raise NotFound(f"There is no node {node_id}.")
    if node.role == Role.LEADER:
        raise TaskRejected("node-is-leader", f"{node_id} is the Leader.", [phrase("node-is-leader", node=node_id)])
    if node.state == NodeState.ONLINE:
        parts = [phrase("node-is-online", node=node_id)]
        raise TaskRejected("node-online", f"{node_id} is online. Stop it or revoke its token first.", parts)
    unit.change(node, retired_at=unit.now, state=NodeState.OFFLINE)
    unit.cache.retired[node_id] = unit.cache.nodes.pop(node_id)
    unit.cache.holders.pop(node_id, None)
    unit.publish_node(node)
    unit.wakes_scheduler = True
    _settle_commands(unit, node_id)
    _end_tasks(unit, node_id)
    for kind, _, task_id in [key for key in unit.cache.alerts if key[1] == node_id]:
        unit.resolve_alert(kind, node_id=node_id, task_id=task_id)
    return True


def _settle_commands(unit: UnitOfWork, node_id: str) -> None:
    """A start that was never sent frees its task for other nodes; the outcome of what was sent stays unknown."""
    for command in [command for command in unit.cache.commands.values() if command.node == node_id]:
        if command.state == CommandState.ACKED:
            settle(unit, command, CommandState.UNKNOWN, code="retired", message=f"{node_id} was retired.")
        else:
            was_sent = command.state != CommandState.PENDING and command.id not in unit.cache.undelivered
            expire(unit, command, was_sent=was_sent)
        unit.cache.undelivered.discard(command.id)


def _end_tasks(unit: UnitOfWork, node_id: str) -> None:
    for key in sorted(unit.cache.occupying[node_id]):
        attempt = unit.cache.attempts[key]
        # As if only its output were known: should the node return, its journal has the true end.
        unit.change_attempt(attempt, state_seq=0)
        end_attempt(unit, attempt, TaskState.LOST, parts=[phrase("lost-with-node", node=node_id)])
    for task in [task for task in unit.cache.pending.values() if task.target_node == node_id]:
        waiting = unit.cache.attempt(task.id, task.attempt)
        if waiting is not None:
            end_attempt(unit, waiting, TaskState.FAILED, parts=[phrase("target-retired", node=node_id)])
