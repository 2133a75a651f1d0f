"""Messages about nodes hold everything that a node reports, in the form of the generated schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nodes.domain.events import Capabilities, Metrics, NamedTask, Project
from nodes.domain.states import NodeState, Role
from nodes.leader.projection.node_messages import MetricsFields, capabilities_fields, metrics_fields, node_info
from nodes.models import Node
from tests.support.filled import filled

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parents[4] / "docs/schemas/server.json").read_text())["$defs"]


def declared(name: str) -> set[str]:
    return set(SCHEMA[name]["properties"])


def test_capabilities_are_shown_complete() -> None:
    capabilities = filled(Capabilities)

    shown = capabilities_fields(capabilities)

    assert json.loads(json.dumps(shown)) == shown  # As a row returns them: a report without changes must be equal.
    assert shown.keys() == declared("Capabilities")
    assert all(project.keys() == declared("Project") for project in shown["projects"])
    assert all(task.keys() == declared("NamedTask") for project in shown["projects"] for task in project["tasks"])
    assert all(gpu.keys() == declared("Gpu") for gpu in shown["gpus"])
    assert (shown["cpuCount"], shown["gpus"][0]["memory"]["used"]) == (
        capabilities.cpu_count,
        capabilities.gpus[0].memory_used_bytes,
    )


def test_a_named_task_in_a_message() -> None:
    task = NamedTask(name="test", argv=("make", "test"), timeout_seconds=60)
    shown = capabilities_fields(Capabilities(projects=(Project(name="web", path="/srv", tasks=(task,)),)))

    given = {"name": "test", "argv": ["make", "test"], "timeoutSeconds": 60, "stallAfterSeconds": 0, "description": ""}
    assert shown["projects"][0]["tasks"][0].items() >= given.items()


@pytest.mark.parametrize("metrics", [{}, {"cpu": 5.0}, metrics_fields(filled(Metrics))])
def test_a_node_shows_every_metric_even_if_it_has_sent_none(metrics: dict[str, Any]) -> None:
    node = Node(id="master-1", role=Role.MASTER, state=NodeState.ONLINE, metrics=metrics)

    shown: dict[str, Any] = {**node_info(node, running=0)}

    assert shown.keys() == declared("NodeStatus")
    nothing = {**dict.fromkeys(MetricsFields.__annotations__), "gpus": []}
    assert {name: shown[name] for name in nothing} == nothing | metrics


def test_no_use_is_more_than_a_message_can_hold() -> None:
    most = (1 << 64) - 1
    metrics = Metrics(
        cpu_percent=0, memory_used_bytes=most, memory_total_bytes=1, disk_used_bytes=1, disk_total_bytes=2
    )

    shown = metrics_fields(metrics)

    assert shown["memory"] == {"used": most, "total": 1, "percent": 100.0}
    assert shown["disk"] == {"used": 1, "total": 2, "percent": 50.0}
