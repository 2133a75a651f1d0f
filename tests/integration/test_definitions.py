"""Retries of tasks whose definition has changed or is gone, and tasks that can never run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nodes.domain.commands import ResolvedCommand, StartTask, TaskSpec
from nodes.domain.events import Capabilities, NamedTask, Project, TaskStatus
from nodes.domain.states import Action, NodeState, TaskState
from nodes.errors import TaskRejected
from nodes.leader.projection.epoch import Epoch
from nodes.leader.projection.projection import Projection
from nodes.leader.scheduler.requests import ControlRequest
from nodes.leader.scheduler.scheduler import Scheduler
from nodes.models import Attempt, Task
from tests.support.chat import chat_world
from tests.support.eventually import eventually
from tests.support.leader_store import Recorder, Voice, read, running_projection

pytestmark = pytest.mark.django_db(transaction=True)

BUILD = TaskSpec(project="shop", named_task="build")
MAKE = NamedTask(name="build", argv=("make",))


def offering(*tasks: NamedTask, **more: Any) -> Capabilities:
    projects = (Project(name="shop", path="/srv/shop", tasks=tasks),) if tasks else ()
    return Capabilities(**{"slots": 2, "allows_commands": True, "projects": projects, **more})


@pytest.fixture
async def projection(tmp_path: Path) -> AsyncIterator[Projection]:
    async with running_projection(tmp_path, Recorder()) as running:
        yield running


@pytest.fixture
async def scheduler(projection: Projection, tmp_path: Path) -> AsyncIterator[Scheduler]:
    made = Scheduler(projection, epoch=Epoch(tmp_path / "epoch"), send=lambda node, command: True)
    running = asyncio.create_task(made.run())
    yield made
    made.request_stop()
    await running


@pytest.fixture
async def master(scheduler: Scheduler, projection: Projection) -> Voice:
    voice = Voice(projection, "master-1")
    await voice.arrive(capabilities=offering(MAKE))
    return voice


async def ended(master: Voice, definition: str = MAKE.digest) -> None:
    """Task t1, which ran `make` by this definition."""
    resolved = ResolvedCommand(argv=("make",), working_directory="/srv/shop", definition=definition)
    request = StartTask(task_id="t1", attempt=1, spec=BUILD, resolved=resolved)
    await master.tell(TaskStatus(task_id="t1", state=TaskState.FAILED, request=request))


async def retry(scheduler: Scheduler, definition: str = "") -> None:
    asked = ControlRequest(task_id="t1", action=Action.RETRY, actor="ann", definition=definition)
    await scheduler.control(asked)


async def refused(scheduler: Scheduler, definition: str = "") -> TaskRejected:
    with pytest.raises(TaskRejected) as caught:
        await retry(scheduler, definition)
    return caught.value


async def attempts() -> int:
    return await read(lambda: Attempt.objects.filter(task="t1").count())


async def test_an_unchanged_task_is_retried_at_once(scheduler: Scheduler, master: Voice) -> None:
    await ended(master)
    # Neither the folder nor the description decides what runs.
    same = NamedTask(name="build", argv=("make",), description="Builds it.")
    await master.snapshot(capabilities=offering(same))

    await retry(scheduler)

    assert await attempts() == 2


@pytest.mark.parametrize(
    "now",
    [
        NamedTask(name="build", argv=("make", "clean")),
        NamedTask(name="build", argv=("make",), timeout_seconds=5.0),
        NamedTask(name="build", argv=("make",), stall_after_seconds=5.0),
    ],
)
async def test_a_changed_task_is_retried_only_by_the_definition_that_was_accepted(
    scheduler: Scheduler, master: Voice, now: NamedTask
) -> None:
    await ended(master)
    await master.snapshot(capabilities=offering(now))

    first = await refused(scheduler)
    assert (first.code, first.details["nodes"], first.details["before"]) == (
        "definition-changed",
        ["master-1"],
        "make",
    )
    assert first.details["after"] == " ".join(now.argv)
    assert await attempts() == 1
    # It changes again while the person decides.
    await master.snapshot(capabilities=offering(NamedTask(name="build", argv=("rm", "-rf", "build"))))
    second = await refused(scheduler, first.details["definition"])
    assert second.details["after"] == "rm -rf build"

    await retry(scheduler, second.details["definition"])
    assert await attempts() == 2


async def test_one_changed_node_of_several_asks_too(
    scheduler: Scheduler, master: Voice, projection: Projection
) -> None:
    other = Voice(projection, "master-2")
    await other.arrive(capabilities=offering(NamedTask(name="build", argv=("ninja",))))
    await ended(master)

    assert (await refused(scheduler)).details["nodes"] == ["master-2"]


async def test_an_attempt_that_did_not_say_what_it_ran_is_retried(scheduler: Scheduler, master: Voice) -> None:
    request = StartTask(task_id="t1", attempt=1, spec=BUILD)
    await master.tell(TaskStatus(task_id="t1", state=TaskState.FAILED, request=request))

    await retry(scheduler)

    assert await attempts() == 2


@pytest.mark.parametrize(
    ("tasks", "code"), [((), "no-such-project"), ((NamedTask(name="test", argv=("x",)),), "no-such-named-task")]
)
async def test_a_task_that_is_gone_is_not_retried(
    scheduler: Scheduler, master: Voice, tasks: tuple[NamedTask, ...], code: str
) -> None:
    await ended(master)
    await master.snapshot(capabilities=offering(*tasks))

    assert (await refused(scheduler)).code == code
    assert await attempts() == 1


# --- waiting --------------------------------------------------------------------------------------


async def task_now(task_id: str, state: str, reason: str | None = None) -> Task:
    async def reached() -> Task | None:
        found = await read(lambda: Task.objects.get(id=task_id))
        return found if found.state == state and reason in (None, found.pending_reason) else None

    return await eventually(reached, message=f"{task_id} {state}")


async def test_a_waiting_task_ends_when_its_definition_is_gone_but_not_while_its_node_is(
    scheduler: Scheduler, master: Voice, projection: Projection
) -> None:
    await master.snapshot(capabilities=offering(MAKE, slots=0))
    task_id = await scheduler.submit(BUILD, actor="ann")
    await projection.node_state("master-1", NodeState.OFFLINE, link_rtt_ms=0)
    await task_now(task_id, "pending", "no online node has the task build of project shop")
    await projection.node_state("master-1", NodeState.ONLINE, link_rtt_ms=1)
    await task_now(task_id, "pending", "waiting for a free slot on master-1")

    await master.snapshot(capabilities=offering())

    over = await task_now(task_id, "failed")
    assert over.message == "no node can run it; no online node has the task build of project shop"
    assert over.pending_reason == ""


async def test_every_waiting_task_says_why_from_the_first_message_on(projection: Projection, tmp_path: Path) -> None:
    scheduler = Scheduler(projection, epoch=Epoch(tmp_path / "epoch"), send=lambda node, command: True)

    task_id = await scheduler.submit(TaskSpec(argv=("true",)), actor="ann")  # Its loop does not run.

    assert (await task_now(task_id, "pending")).pending_reason == "waiting to be assigned to a node"


async def test_a_node_that_has_not_reported_yet_ends_nothing(scheduler: Scheduler, projection: Projection) -> None:
    task_id = await scheduler.submit(TaskSpec(argv=("true",)), actor="ann")
    voice = Voice(projection, "master-1")

    await voice.arrive()  # It is online a moment before its report arrives.

    assert (await task_now(task_id, "dispatched")).node_id == "master-1"


async def test_a_conversation_does_not_accept_a_change_and_says_where_to_see_it(tmp_path: Path) -> None:
    async with chat_world(tmp_path) as world:
        request = StartTask(
            task_id="t1", attempt=1, spec=BUILD, resolved=ResolvedCommand(argv=("make",), definition=MAKE.digest)
        )
        await world.voice.tell(TaskStatus(task_id="t1", state=TaskState.FAILED, name="nightly job", request=request))
        await world.voice.snapshot(capabilities=offering(NamedTask(name="build", argv=("ninja",))))

        turn = await world.ask("retry nightly job")

        assert turn["steps"][0]["state"] == "failed"
        assert "Retry it on its page, which shows the change" in turn["messages"][-1]["text"]
        assert await attempts() == 1
