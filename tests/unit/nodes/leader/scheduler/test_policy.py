"""Which task goes to which node, and the reasons shown for waiting tasks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.domain.phrases import english, phrase
from nodes.leader.scheduler.policy import Assignment, Decision, Impossible, Postponed, Waiting, Worker, decide

SHOP = {"shop": frozenset({"build"})}


def worker(node_id: str, **fields: Any) -> Worker:
    return Worker(**{"node_id": node_id, "is_online": True, "slots": 2, "allows_commands": True, **fields})


def task(task_id: str = "t", **fields: Any) -> Waiting:
    return Waiting(**{"task_id": task_id, **fields})


WORKERS = [
    worker("off", is_online=False, projects={"shop": frozenset({"build", "test"})}),
    worker("full", occupied=2),
    worker("resting", is_resting=True),
    worker("strict", allows_commands=False, projects=SHOP),
]


def said(decisions: list[Decision]) -> list[Assignment | tuple[str, str]]:
    """With the reasons in English."""
    return [one if isinstance(one, Assignment) else (one.task_id, english([one.reason])) for one in decisions]


def test_the_least_loaded_node_gets_the_task() -> None:
    workers = [worker("a", occupied=1), worker("b", slots=4, occupied=1), worker("c", occupied=2)]

    assert decide([task()], workers) == [Assignment("t", "b")]


def test_a_slot_is_assigned_once_and_the_oldest_task_comes_first() -> None:
    tasks = [task("t1"), task("t2"), task("t3")]

    assert said(decide(tasks, [worker("a", slots=1), worker("b", slots=1)])) == [
        Assignment("t1", "a"),
        Assignment("t2", "b"),
        ("t3", "waiting for a free slot on a, b"),
    ]


def test_a_task_waiting_for_its_node_does_not_block_others() -> None:
    tasks = [task("t1", target="a"), task("t2")]

    assert said(decide(tasks, [worker("a", occupied=2), worker("b")])) == [
        ("t1", "waiting for a free slot on a"),
        Assignment("t2", "b"),
    ]


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        (task(target="off"), "off is not online"),
        (task(target="off", project="bank"), "off is not online"),
        (task(target="full"), "waiting for a free slot on full"),
        (task(target="resting"), "waiting for a free slot on resting"),
        (task(), "waiting for a free slot on full, resting"),
        (task(project="shop"), "no online node with project shop runs commands"),
        (task(project="shop", named_task="test"), "no online node has the task test of project shop"),
    ],
)
def test_why_a_task_waits(waiting: Waiting, reason: str) -> None:
    # What an offline node last reported may still be true.
    assert said(decide([waiting], WORKERS)) == [("t", reason)]
    assert isinstance(decide([waiting], WORKERS)[0], Postponed)


@pytest.mark.parametrize(
    ("waiting", "reason"),
    [
        (task(target="x"), "x is unknown"),
        (task(target="strict"), "strict does not run commands"),
        (task(target="full", project="bank"), "full has no project bank"),
        (task(target="strict", project="shop", named_task="deploy"), "strict has no task deploy in project shop"),
        (task(project="bank"), "no online node has project bank"),
        (task(project="shop", named_task="deploy"), "no online node has the task deploy of project shop"),
    ],
)
def test_a_task_that_no_known_node_can_run_is_over(waiting: Waiting, reason: str) -> None:
    assert said(decide([waiting], WORKERS)) == [("t", reason)]
    assert isinstance(decide([waiting], WORKERS)[0], Impossible)

    # A node that has just registered may be able to: its report is still on its way.
    silent = worker(waiting.target or "new", allows_commands=False, has_reported=False)
    assert isinstance(decide([waiting], [silent])[0], Postponed)


def test_no_node_at_all() -> None:
    assert decide([task()], []) == [Postponed("t", phrase("nobody-runs-commands"))]


def test_a_named_task_needs_no_right_to_run_commands() -> None:
    strict = worker("a", allows_commands=False, projects=SHOP)

    assert decide([task(project="shop", named_task="build")], [strict]) == [Assignment("t", "a")]


def test_a_base_client_gets_only_tasks_that_target_it() -> None:
    base = worker("old", is_base=True, slots=0, allows_commands=False)

    assert decide([task()], [base]) == [Impossible("t", phrase("nobody-runs-commands"))]
    assert decide([task(target="old")], [base]) == [Assignment("t", "old")]


names = st.sampled_from(["a", "b", "c"])
workers = st.lists(
    st.builds(
        Worker,
        node_id=names,
        is_online=st.booleans(),
        slots=st.integers(0, 3),
        occupied=st.integers(0, 4),
        is_resting=st.booleans(),
        allows_commands=st.booleans(),
        projects=st.just(SHOP) | st.just({}),
    ),
    unique_by=lambda w: w.node_id,
)
waiting = st.lists(
    st.builds(
        Waiting,
        task_id=st.text("0123456789", min_size=1, max_size=6),
        target=names | st.just(""),
        project=st.sampled_from(["", "shop", "bank"]),
        named_task=st.sampled_from(["", "build"]),
    ),
    unique_by=lambda t: t.task_id,
)


@given(waiting, workers)
def test_every_task_is_decided_and_no_node_is_overfilled(tasks: list[Waiting], nodes: list[Worker]) -> None:
    decisions = decide(tasks, nodes)

    assert [decision.task_id for decision in decisions] == [t.task_id for t in tasks]
    by_id = {node.node_id: node for node in nodes}
    given_away: dict[str, int] = {}
    for decision, asked in zip(decisions, tasks, strict=True):
        if isinstance(decision, Assignment):
            node = by_id[decision.node_id]
            given_away[node.node_id] = given_away.get(node.node_id, 0) + 1
            assert node.is_online
            assert not node.is_resting
            assert asked.target in ("", node.node_id)
            assert node.occupied + given_away[node.node_id] <= node.slots
        else:
            assert decision.reason
