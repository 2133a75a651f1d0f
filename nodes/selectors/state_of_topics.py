"""The snapshot that a dashboard starts with."""

from __future__ import annotations

from collections.abc import Sequence

from nodes.leader.projection import topics as topic_names
from nodes.leader.projection.contract import FleetState
from nodes.leader.projection.log_messages import LogBatch
from nodes.models import Task
from nodes.selectors.alerts import alert_list
from nodes.selectors.fleet import node_list
from nodes.selectors.output import recent_logs
from nodes.selectors.tasks import current_tasks, recent_commands, task_infos


def snapshot(topics: Sequence[str]) -> FleetState:
    """The current state of these topics. Read `position` first: changes committed in between are then sent again."""
    found: FleetState = {}
    task_ids = [topic.removeprefix("task:") for topic in topics if topic.startswith("task:")]
    if topic_names.NODES in topics:
        found["nodes"] = node_list()
    if topic_names.TASKS in topics:
        found["tasks"] = current_tasks()
    elif task_ids:
        found["tasks"] = task_infos(Task.objects.filter(id__in=task_ids))
    if topic_names.TASKS in topics or task_ids:
        found["commands"] = recent_commands(() if topic_names.TASKS in topics else task_ids)
    if topic_names.ALERTS in topics:
        found["alerts"] = alert_list()
    logs = [topic for topic in topics if topic == topic_names.LOGS or topic.startswith("logs:")]
    if logs or task_ids:
        found["logs"] = [
            *(message for topic in logs for message in _recent_of_topic(topic)),
            *(message for task_id in task_ids for message in recent_logs(task=task_id)),
        ]
    return found


def _recent_of_topic(topic: str) -> list[LogBatch]:
    _, _, rest = topic.partition(":")
    node, _, level = rest.partition(":")
    return recent_logs(node=node, level=level)
