"""Retiring a node that is gone, over a real database: what ends, what stays, and how the node returns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nodes import selectors
from nodes.domain.commands import TaskSpec
from nodes.domain.events import TaskStatus
from nodes.domain.states import CommandState, NodeState, Role, TaskState
from nodes.errors import NotFound, TaskRejected
from nodes.leader.projection.epoch import Epoch
from nodes.leader.projection.projection import Projection
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.leader.scheduler.requests import start_attempt
from nodes.leader.scheduler.scheduler import Scheduler
from nodes.models import Alert, Attempt, Command, DeadLetter, Task
from tests.support.leader_store import Recorder, Voice, read, running_projection

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def listener() -> Recorder:
    return Recorder()


@pytest.fixture
async def projection(tmp_path: Path, listener: Recorder) -> AsyncIterator[Projection]:
    async with running_projection(tmp_path, listener) as running:
        yield running


@pytest.fixture
def scheduler(projection: Projection, tmp_path: Path) -> Scheduler:
    return Scheduler(projection, epoch=Epoch(tmp_path / "epoch"), send=lambda node, command: True)


@pytest.fixture
async def gone(projection: Projection) -> Voice:
    """A Master that ran one task when its machine was switched off."""
    voice = Voice(projection, "gone")
    await voice.arrive()
    await voice.tell(TaskStatus(task_id="ran-there", state=TaskState.RUNNING, attempt=1))
    await projection.node_state("gone", NodeState.OFFLINE, link_rtt_ms=0)
    return voice


def names() -> list[str]:
    return [node["id"] for node in selectors.node_list()]


async def test_a_retired_node_is_in_no_list_and_nothing_waits_for_it(
    scheduler: Scheduler, gone: Voice, listener: Recorder
) -> None:
    for_it = await scheduler.submit(TaskSpec(argv=("a",), node="gone"), actor="ada")
    for_any = await scheduler.submit(TaskSpec(argv=("a",)), actor="ada")
    assert await read(Alert.objects.filter(resolved_at=None).count) == 1

    assert await scheduler.retire("gone", actor="ada")

    assert await read(names) == []
    assert (await read(selectors.counts))["nodes"] == {}
    assert await read(Alert.objects.filter(resolved_at=None).count) == 0
    ended, waits, ran = [await read(lambda id=id: Task.objects.get(id=id)) for id in (for_it, for_any, "ran-there")]
    assert (ended.state, ended.message) == (TaskState.FAILED, "gone was retired, and this task was to run on it alone.")
    assert waits.state == TaskState.PENDING
    assert (ran.state, ran.message_parts[0]["key"]) == (TaskState.LOST, "lost-with-node")
    told = listener.messages("NODE_STATUS")[-1]["node"]
    assert (told["id"], told["retiredAt"] is None) == ("gone", False)
    assert (await read(lambda: selectors.node_detail("gone")))["retiredAt"] == told["retiredAt"]


async def test_new_tasks_for_it_are_refused(scheduler: Scheduler, gone: Voice) -> None:
    await scheduler.retire("gone", actor="ada")
    with pytest.raises(TaskRejected, match="no node gone"):
        await scheduler.submit(TaskSpec(argv=("a",), node="gone"), actor="ada")


async def test_twice_is_once(scheduler: Scheduler, gone: Voice) -> None:
    assert await scheduler.retire("gone", actor="ada")
    assert not await scheduler.retire("gone", actor="ada")


async def test_only_a_node_that_is_gone_can_be_retired(
    projection: Projection, scheduler: Scheduler, gone: Voice
) -> None:
    await projection.register_leader(gone.report(role=Role.LEADER))
    await gone.arrive()
    with pytest.raises(TaskRejected, match="online"):
        await scheduler.retire("gone", actor="ada")
    with pytest.raises(TaskRejected, match="is the Leader"):
        await scheduler.retire("leader", actor="ada")
    with pytest.raises(NotFound):
        await scheduler.retire("nobody", actor="ada")


async def test_a_restart_does_not_bring_it_back(
    tmp_path: Path, projection: Projection, scheduler: Scheduler, gone: Voice
) -> None:
    await scheduler.retire("gone", actor="ada")
    await projection.stop()
    async with running_projection(tmp_path, Recorder()) as later:
        assert "gone" not in later.cache.nodes
        assert await read(names) == []


async def test_it_returns_with_the_true_end_of_its_task(scheduler: Scheduler, gone: Voice) -> None:
    await scheduler.retire("gone", actor="ada")
    await gone.arrive()
    await gone.tell(TaskStatus(task_id="ran-there", state=TaskState.SUCCEEDED, attempt=1, exit_code=0))
    assert await read(names) == ["gone"]
    assert (await read(lambda: Task.objects.get(id="ran-there"))).state == TaskState.SUCCEEDED
    assert await read(DeadLetter.objects.count) == 0


async def test_a_start_that_never_left_frees_its_task_for_other_nodes(
    projection: Projection, scheduler: Scheduler, gone: Voice
) -> None:
    task_id = await scheduler.submit(TaskSpec(argv=("a",)), actor="ada")

    def start(unit: UnitOfWork) -> None:  # As if the node had gone between the plan and the sending.
        start_attempt(unit, unit.cache.tasks[task_id], unit.cache.attempts[task_id, 1], "gone")

    await projection.write(start)
    await scheduler.retire("gone", actor="ada")
    task = await read(lambda: Task.objects.get(id=task_id))
    assert (task.state, task.node_id) == (TaskState.PENDING, None)
    assert (await read(lambda: Command.objects.get(task=task_id))).state == CommandState.EXPIRED


async def test_what_a_master_holds_of_a_retired_edge_is_kept_and_leaves_it_retired(
    projection: Projection, scheduler: Scheduler
) -> None:
    master = Voice(projection, "master")
    await master.arrive()
    edge = Voice(projection, "edge", Role.EDGE, via=master)
    await edge.snapshot()
    await edge.tell(TaskStatus(task_id="ran-there", state=TaskState.RUNNING, attempt=1))
    await edge.say(edge.report(state=NodeState.OFFLINE))
    await scheduler.retire("edge", actor="ada")

    await edge.tell(TaskStatus(task_id="ran-there", state=TaskState.SUCCEEDED, attempt=1, exit_code=0))
    await edge.snapshot(state=NodeState.OFFLINE)
    assert await read(names) == ["master"]
    assert (await read(lambda: Attempt.objects.get(task="ran-there"))).state == TaskState.SUCCEEDED

    await edge.snapshot()
    assert await read(names) == ["edge", "master"]
