"""The offline engine describes states with the same words as the pages."""

from __future__ import annotations

import pytest
from django.utils import translation

from chat.engines.offline_texts import of_result
from dashboard.pages import labels
from nodes.domain.states import NodeState, TaskState

TASK = {
    "id": "t1",
    "name": "编译",
    "task": "t1",
    "node": "master-1",
    "attempt": 1,
    "progress": None,
    "health": "stalled",
}


@pytest.mark.parametrize("state", TaskState)
def test_a_tasks_state_has_the_pages_label(state: TaskState) -> None:
    task = {**TASK, "state": str(state)}
    results = [
        ("inspect_task", task, True),
        ("list_tasks", {"tasks": [task]}, True),
        ("query_history", {"attempts": [task]}, True),
        ("pause_task", {"task": task}, True),
        ("pause_task", {"task": task, "changed": False}, True),
        ("control_tasks", {"results": [{"task": task}]}, True),
        ("pause_task", {"task": task, "error": "占用"}, False),
    ]
    with translation.override("zh-hans"):
        label = str(labels.TASK_STATES[state].label)
        said = [of_result(*result) for result in results]

    assert all(label in text and str(state) not in text for text in said), said
    assert "停滞" in said[1]


@pytest.mark.parametrize("state", NodeState)
def test_a_nodes_state_has_the_pages_label(state: NodeState) -> None:
    with translation.override("zh-hans"):
        node = {"id": "m", "state": str(state), "cpu": None, "running": 0, "slots": 1}
        said = of_result("list_nodes", {"nodes": [node]}, True)
        assert str(labels.NODE_STATES[state].label) in said


def test_an_english_sentence_has_no_label_in_the_middle() -> None:
    with translation.override("en"):
        said = of_result("pause_task", {"task": {**TASK, "state": "paused"}}, True)

    assert said.endswith("is now paused.")
    assert of_result("inspect_task", {**TASK, "state": "new-here"}, True).endswith("is new-here.")
