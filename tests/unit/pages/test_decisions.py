"""What follows from a state: decided here, looked up by the script. Its tests get the same tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from django.conf import settings

from chat.states import OPEN_TURNS
from dashboard.pages import decisions
from nodes.domain.states import (
    OCCUPYING,
    Action,
    CommandState,
    NodeState,
    Role,
    TaskHealth,
    TaskState,
    is_possible,
    is_unknown,
)
from nodes.selectors.alerts import SNAPSHOT_ALERTS
from nodes.selectors.output import SNAPSHOT_LINES

# `json.dumps(decisions.as_data())`, formatted by Biome.
COPY = settings.BASE_DIR / "frontend" / "tests" / "decisions.json"


def test_tests_of_the_script_use_the_tables_that_pages_send() -> None:
    assert json.loads(COPY.read_text()) == decisions.as_data()


def test_every_state_is_decided() -> None:
    assert set(decisions.TASKS) == {*TaskState, decisions.UNKNOWN}
    assert set(decisions.HEALTH) == set(TaskHealth)
    assert set(decisions.NODES) == set(NodeState)
    assert set(decisions.ROLES) == set(Role)
    assert set(decisions.COMMANDS) > set(CommandState)


def test_task_of_an_unreachable_node_is_unknown_where_it_occupies_a_slot() -> None:
    """The script combines the two tables when a node's state changes."""
    for task in TaskState:
        for node in NodeState:
            is_cut = decisions.TASKS[task].is_occupying and not decisions.NODES[node].is_reachable
            assert is_cut == is_unknown(task, node)
        assert decisions.TASKS[task].is_occupying == (task in OCCUPYING)


@pytest.mark.parametrize("accepts_input", [False, True])
def test_what_is_offered_is_what_the_leader_allows(accepts_input: bool) -> None:
    for state in TaskState:
        task = {"state": state, "acceptsInput": accepts_input}
        for action in Action:
            assert decisions.is_offered(action, task) == is_possible(action, state, accepts_input=accepts_input)


def test_finished_tasks_are_offered_a_retry_and_nothing_else() -> None:
    for state in TaskState:
        offered = [action for action in Action if decisions.is_offered(action, {"state": state, "acceptsInput": True})]
        assert (offered == [Action.RETRY]) == state.is_final


@pytest.mark.parametrize(
    ("task", "health", "waits", "needs"),
    [
        ({"state": "running", "health": "healthy"}, "healthy", False, False),
        ({"state": "running", "health": "waiting"}, "waiting", True, True),
        ({"state": "running", "health": "stalled"}, "stalled", False, True),
        ({"state": "paused", "health": "stalled"}, "", False, False),
        ({"state": "running", "health": "waiting", "unknownSince": 5}, "", False, True),
    ],
)
def test_health_is_shown_of_running_tasks_in_sight(
    task: Mapping[str, Any], health: str, waits: bool, needs: bool
) -> None:
    assert decisions.shown_health(task) == health
    assert decisions.waits_for_person(task) is waits
    assert decisions.needs_person(task) is needs


@pytest.mark.parametrize(
    ("state", "age_ms", "is_shown"),
    [
        ("sent", 10_000_000, True),
        ("succeeded", 1000, True),
        ("succeeded", 10_000, False),
        ("failed", 100_000, True),
        ("unknown", 700_000, False),
    ],
)
def test_row_shows_what_a_person_asked_last(state: str, age_ms: int, is_shown: bool) -> None:
    start = {"id": "s", "task": "t", "kind": "start", "state": "failed", "changedAt": 5}
    asked = {"id": "c", "task": "t", "kind": "pause", "state": state, "changedAt": 5}

    found = decisions.shown_command([start, asked], "t", 5 + age_ms)

    assert found == (asked if is_shown else None)


def test_script_gets_what_the_chat_and_the_snapshot_decide() -> None:
    data = decisions.as_data()

    assert {state for state, facts in data["turns"].items() if facts["isOpen"]} == set(OPEN_TURNS)
    assert {state for state, facts in data["fixes"].items() if not facts["mayBeAsked"]} == {"asked", "done"}
    assert set(data["toolActions"].values()) == set(Action)
    assert data["limits"] == {"alerts": SNAPSHOT_ALERTS, "logLines": SNAPSHOT_LINES}
