"""From a request to a node and back, over a real database: what is sent, when, and how each command ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nodes.domain.commands import Seen, TaskSpec
from nodes.domain.events import CommandResult, LogBatch, LogLine, TaskStatus
from nodes.domain.states import Action, CommandState, LogLevel, LogStream, NodeState, Role, TaskState
from nodes.errors import NotFound, TaskRejected
from nodes.leader.projection.epoch import Epoch
from nodes.leader.projection.projection import Projection
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.leader.scheduler import requests
from nodes.leader.scheduler.requests import ControlRequest
from nodes.leader.scheduler.scheduler import Scheduler
from nodes.models import Command, Task
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from tests.support.eventually import eventually
from tests.support.leader_store import Recorder, Voice, read, running_projection

pytestmark = pytest.mark.django_db(transaction=True)

SLEEP = TaskSpec(argv=("sleep", "60"))


class Streams:
    """Replaces the hub: which streams exist, and what was sent to each."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, pb.LeaderCommand]] = []
        self.broken: set[str] = set()

    def send(self, node_id: str, command: pb.LeaderCommand) -> bool:
        if node_id in self.broken:
            return False
        self.sent.append((node_id, command))
        return True

    def starts(self) -> list[tuple[str, str]]:
        return [(node, c.task_request.task_id) for node, c in self.sent if c.HasField("task_request")]


@pytest.fixture
def listener() -> Recorder:
    return Recorder()


@pytest.fixture
async def projection(tmp_path: Path, listener: Recorder) -> AsyncIterator[Projection]:
    async with running_projection(tmp_path, listener) as running:
        yield running


@pytest.fixture
def streams() -> Streams:
    return Streams()


@pytest.fixture
async def scheduler(projection: Projection, streams: Streams, tmp_path: Path) -> AsyncIterator[Scheduler]:
    made = Scheduler(projection, epoch=Epoch(tmp_path / "epoch"), send=streams.send)
    running = asyncio.create_task(made.run())
    yield made
    made.request_stop()
    await running


@pytest.fixture
async def master(scheduler: Scheduler, projection: Projection) -> Voice:
    voice = Voice(projection, "master-1")
    await voice.arrive()
    return voice


async def task(task_id: str) -> Task:
    return await read(lambda: Task.objects.get(id=task_id))


async def in_state(task_id: str, state: str, **fields: Any) -> Task:
    async def reached() -> Task | None:
        found = await task(task_id)
        return found if found.state == state and all(getattr(found, k) == v for k, v in fields.items()) else None

    return await eventually(reached, message=f"{task_id} {state} {fields}")


async def started(scheduler: Scheduler, streams: Streams, spec: TaskSpec = SLEEP) -> tuple[str, pb.LeaderCommand]:
    task_id = await scheduler.submit(spec, actor="ann")
    await eventually(lambda: any(t == task_id for _, t in streams.starts()))
    return task_id, next(c for _, c in streams.sent if c.task_request.task_id == task_id)


def result(command: pb.LeaderCommand, state: CommandState, code: str = "", message: str = "") -> CommandResult:
    return CommandResult(command_id=command.command_id, state=state, code=code, message=message)


async def control(scheduler: Scheduler, task_id: str, action: Action, **fields: Any) -> str:
    asked = {"task_id": task_id, "action": action, "actor": "ann", "may_run_commands": True, **fields}
    return await scheduler.control(ControlRequest(**asked))


def command_states(listener: Recorder, command_id: str) -> list[str]:
    return [m["command"]["state"] for m in listener.messages("COMMAND") if m["command"]["id"] == command_id]


# --- starting -------------------------------------------------------------------------------------


async def test_a_task_goes_to_its_node_and_runs(
    scheduler: Scheduler, master: Voice, streams: Streams, listener: Recorder
) -> None:
    task_id, command = await started(scheduler, streams)

    assert (await task(task_id)).state == "dispatched"
    assert (list(command.task_request.argv), command.task_request.attempt) == (["sleep", "60"], 1)
    assert command.epoch == 1
    assert 0 < command.ttl_seconds <= 60
    await master.tell(result(command, CommandState.ACKED))
    await master.tell(TaskStatus(task_id=task_id, state=TaskState.RUNNING, accepts_input=True))
    await master.tell(result(command, CommandState.SUCCEEDED))
    assert (await task(task_id)).state == "running"
    assert command_states(listener, command.command_id) == ["sent", "acked", "succeeded"]


async def test_without_a_node_a_task_waits_and_says_why(
    scheduler: Scheduler, projection: Projection, streams: Streams
) -> None:
    task_id = await scheduler.submit(SLEEP, actor="ann")
    await in_state(task_id, "pending", pending_reason="no online node runs commands")

    await Voice(projection, "master-1").arrive()

    await in_state(task_id, "dispatched", pending_reason="")


async def test_a_full_node_gets_nothing_until_a_slot_is_free(
    scheduler: Scheduler, master: Voice, streams: Streams
) -> None:
    first, second = [await started(scheduler, streams) for _ in range(2)]
    third = await scheduler.submit(SLEEP, actor="ann")
    await in_state(third, "pending", pending_reason="waiting for a free slot on master-1")

    await master.tell(TaskStatus(task_id=first[0], state=TaskState.RUNNING))
    await master.tell(TaskStatus(task_id=first[0], state=TaskState.SUCCEEDED, exit_code=0))

    await in_state(third, "dispatched")
    assert (await task(second[0])).state == "dispatched"


async def test_a_busy_node_gets_the_start_again_after_a_delay(
    scheduler: Scheduler, master: Voice, streams: Streams
) -> None:
    task_id, command = await started(scheduler, streams)

    await master.tell(result(command, CommandState.FAILED, "busy", "no slot"))
    await in_state(task_id, "pending", pending_reason="waiting for a free slot on master-1")

    again = await eventually(lambda: [c for _, c in streams.sent if c.command_id != command.command_id])
    assert again[0].task_request.task_id == task_id
    assert (await task(task_id)).attempt == 1


async def test_a_start_that_fails_fails_the_task(scheduler: Scheduler, master: Voice, streams: Streams) -> None:
    task_id, command = await started(scheduler, streams)

    await master.tell(result(command, CommandState.FAILED, "no-such-program", "sleep: not found"))

    assert (await in_state(task_id, "failed")).message == "sleep: not found"


async def test_a_task_for_an_edge_goes_down_its_masters_stream(
    scheduler: Scheduler, master: Voice, streams: Streams, projection: Projection
) -> None:
    edge = Voice(projection, "edge-1", Role.EDGE, via=master)
    await edge.say(edge.report(state=NodeState.ONLINE))

    task_id = await scheduler.submit(TaskSpec(node="edge-1", argv=("true",)), actor="ann")

    await eventually(lambda: streams.sent)
    stream, command = streams.sent[0]
    assert (stream, command.task_request.target_node_id) == ("master-1", "edge-1")
    assert (await task(task_id)).node_id == "edge-1"


async def test_unanswered_commands_are_sent_again_on_the_next_stream(
    scheduler: Scheduler, master: Voice, streams: Streams, projection: Projection
) -> None:
    task_id, command = await started(scheduler, streams)

    again = await projection.ready(master.peer)

    assert [c.command_id for c in again] == [command.command_id]
    assert again[0].ttl_seconds < command.ttl_seconds
    await master.tell(result(command, CommandState.ACKED))
    assert not await projection.ready(master.peer)
    assert (await task(task_id)).state == "dispatched"


async def test_an_unsent_start_expires_and_the_task_starts_elsewhere(
    scheduler: Scheduler,
    master: Voice,
    streams: Streams,
    projection: Projection,
    listener: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(requests, "START_TTL", timedelta(seconds=0.2))
    streams.broken.add("master-1")
    task_id = await scheduler.submit(SLEEP, actor="ann")
    await in_state(task_id, "dispatched")
    await projection.node_state("master-1", NodeState.SUSPECT, link_rtt_ms=0)

    await in_state(task_id, "pending")

    # Published a moment after the commit.
    await eventually(lambda: listener.messages("COMMAND")[-1]["command"]["state"] == "expired")
    await Voice(projection, "master-2").arrive()
    assert (await in_state(task_id, "dispatched")).node_id == "master-2"


async def test_a_start_without_an_answer_is_unknown_and_never_repeated(
    scheduler: Scheduler, master: Voice, streams: Streams, listener: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "START_TTL", timedelta(seconds=0.2))
    task_id, command = await started(scheduler, streams)

    await eventually(lambda: command_states(listener, command.command_id)[-1] == "unknown")

    assert (await task(task_id)).state == "dispatched"
    assert len(streams.sent) == 1
    # A late report still settles it.
    await master.tell(TaskStatus(task_id=task_id, state=TaskState.RUNNING), result(command, CommandState.SUCCEEDED))
    assert command_states(listener, command.command_id)[-1] == "succeeded"


async def test_a_snapshot_does_not_lose_a_task_whose_start_is_pending(
    scheduler: Scheduler, master: Voice, streams: Streams
) -> None:
    task_id, _ = await started(scheduler, streams)

    await master.arrive()

    assert (await task(task_id)).state == "dispatched"


# --- control --------------------------------------------------------------------------------------


async def running(scheduler: Scheduler, master: Voice, streams: Streams, **fields: Any) -> str:
    task_id, command = await started(scheduler, streams)
    await master.tell(
        TaskStatus(task_id=task_id, state=TaskState.RUNNING, **fields), result(command, CommandState.SUCCEEDED)
    )
    return task_id


async def test_a_pause_goes_to_the_node_and_its_answer_comes_back(
    scheduler: Scheduler, master: Voice, streams: Streams, listener: Recorder
) -> None:
    task_id = await running(scheduler, master, streams)

    command_id = await control(scheduler, task_id, Action.PAUSE, ref="r-7")

    _, sent = streams.sent[-1]
    assert (sent.command_id, sent.control.task_id, sent.control.action) == (
        command_id,
        task_id,
        pb.ControlSignal.ACTION_PAUSE,
    )
    await master.tell(
        TaskStatus(task_id=task_id, state=TaskState.PAUSED), result(sent, CommandState.SUCCEEDED, "partial")
    )
    last = listener.messages("COMMAND")[-1]["command"]
    assert (last["ref"], last["state"], last["code"], last["actor"]) == ("r-7", "succeeded", "partial", "ann")
    assert (await task(task_id)).state == "paused"


@pytest.mark.parametrize(
    ("state", "action", "code"),
    [
        (TaskState.RUNNING, Action.RESUME, "not-paused"),
        (TaskState.RUNNING, Action.INPUT, "no-input"),
        (TaskState.RUNNING, Action.RETRY, "not-finished"),
        (TaskState.PAUSED, Action.PAUSE, "already-paused"),
        (TaskState.SUCCEEDED, Action.PAUSE, "finished"),
        (TaskState.SUCCEEDED, Action.CANCEL, "finished"),
    ],
)
async def test_invalid_input_is_refused(
    scheduler: Scheduler, master: Voice, streams: Streams, state: TaskState, action: Action, code: str
) -> None:
    task_id = await running(scheduler, master, streams)
    if state is not TaskState.RUNNING:
        await master.tell(TaskStatus(task_id=task_id, state=state))
    sent = len(streams.sent)

    with pytest.raises(TaskRejected) as refused:
        await control(scheduler, task_id, action)

    assert refused.value.code == code
    assert len(streams.sent) == sent


async def test_actions_on_a_missing_task_are_refused(scheduler: Scheduler) -> None:
    with pytest.raises(NotFound):
        await control(scheduler, "nowhere", Action.CANCEL)


async def test_a_waiting_task_is_cancelled_at_once(scheduler: Scheduler, listener: Recorder) -> None:
    task_id = await scheduler.submit(SLEEP, actor="ann")

    command_id = await control(scheduler, task_id, Action.CANCEL, ref="r")

    assert (await task(task_id)).state == "cancelled"
    assert command_states(listener, command_id) == ["succeeded"]


async def test_a_cancelled_task_never_starts_elsewhere(scheduler: Scheduler, master: Voice, streams: Streams) -> None:
    task_id, command = await started(scheduler, streams)
    await control(scheduler, task_id, Action.CANCEL)

    await master.tell(result(command, CommandState.FAILED, "busy"))

    assert (await task(task_id)).state == "cancelled"
    assert not await read(lambda: Command.objects.filter(state__in=["pending", "sent", "acked"]).exists())


async def test_a_retry_is_a_new_attempt(scheduler: Scheduler, master: Voice, streams: Streams) -> None:
    task_id = await running(scheduler, master, streams)
    await master.tell(TaskStatus(task_id=task_id, state=TaskState.FAILED, exit_code=1, message="boom"))

    await control(scheduler, task_id, Action.RETRY)

    again = await in_state(task_id, "dispatched")
    assert (again.attempt, again.exit_code, again.message) == (2, None, "")
    # The state is committed a moment before the command is sent.
    await eventually(lambda: streams.sent[-1][1].task_request.attempt == 2)
    await master.tell(TaskStatus(task_id=task_id, state=TaskState.RUNNING, attempt=2))
    assert (await task(task_id)).state == "running"


async def test_an_answer_is_for_the_output_that_was_seen(scheduler: Scheduler, master: Voice, streams: Streams) -> None:
    task_id = await running(scheduler, master, streams, accepts_input=True)
    line = LogLine(1, LogLevel.INFO, LogStream.STDOUT, b"Continue? [y/N]")
    await master.tell(LogBatch(task_id=task_id, attempt=1, first_line=1, lines=(line, line)), lane="logs")

    with pytest.raises(TaskRejected) as refused:
        await control(scheduler, task_id, Action.INPUT, input=b"y\n", seen=Seen(attempt=1, line=1))

    assert refused.value.code == "stale"
    assert await control(scheduler, task_id, Action.INPUT, input=b"y\n", seen=Seen(attempt=1, line=2))


async def test_a_control_for_an_unreachable_node_waits_and_expires(
    scheduler: Scheduler,
    master: Voice,
    streams: Streams,
    projection: Projection,
    listener: Recorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task_id = await running(scheduler, master, streams)
    await projection.node_state("master-1", NodeState.SUSPECT, link_rtt_ms=0)
    waits = await control(scheduler, task_id, Action.PAUSE)
    monkeypatch.setattr(requests, "CONTROL_TTL", timedelta(seconds=0.2))

    expires = await control(scheduler, task_id, Action.CANCEL)

    await eventually(lambda: command_states(listener, expires) == ["pending", "expired"])
    assert [c.command_id for c in await projection.ready(master.peer)] == [waits]
    assert command_states(listener, waits) == ["pending", "sent"]


@pytest.mark.parametrize("hours", [1, -1])
async def test_a_jump_of_the_wall_clock_changes_no_deadline(
    scheduler: Scheduler,
    master: Voice,
    streams: Streams,
    projection: Projection,
    listener: Recorder,
    monkeypatch: pytest.MonkeyPatch,
    hours: int,
) -> None:
    task_id = await running(scheduler, master, streams)
    await projection.node_state("master-1", NodeState.SUSPECT, link_rtt_ms=0)
    waits = await control(scheduler, task_id, Action.PAUSE)

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(hours=hours)

    monkeypatch.setattr("nodes.leader.projection.unit_of_work.datetime", Jumped)
    monkeypatch.setattr(requests, "CONTROL_TTL", timedelta(seconds=0.2))
    expires = await control(scheduler, task_id, Action.CANCEL)

    await eventually(lambda: command_states(listener, expires) == ["pending", "expired"])
    (sent,) = await projection.ready(master.peer)
    assert sent.command_id == waits
    assert 0 < sent.ttl_seconds <= 60


async def test_a_command_of_a_task_that_its_node_has_lost_is_unknown(
    scheduler: Scheduler, master: Voice, streams: Streams, listener: Recorder
) -> None:
    task_id = await running(scheduler, master, streams)
    command_id = await control(scheduler, task_id, Action.PAUSE)
    await master.tell(CommandResult(command_id=command_id, state=CommandState.ACKED))

    await master.arrive()

    assert (await task(task_id)).state == "lost"
    assert command_states(listener, command_id) == ["sent", "acked", "unknown"]


@pytest.mark.parametrize("has_begun_anew", [True, False])
async def test_a_confirmed_start_is_lost_when_the_node_is_reset(
    scheduler: Scheduler, master: Voice, streams: Streams, listener: Recorder, has_begun_anew: bool
) -> None:
    """While its journal is the same, the node will start the task, or report why not."""
    task_id, command = await started(scheduler, streams)
    await master.tell(result(command, CommandState.ACKED))
    if has_begun_anew:
        master.life, master.seqs = "second", {"states": 0, "logs": 0}

    await master.arrive()

    found = ((await task(task_id)).state, command_states(listener, command.command_id)[-1])
    assert found == (("lost", "unknown") if has_begun_anew else ("dispatched", "acked"))


async def test_commands_requested_before_a_node_is_online_are_sent_when_it_is(
    scheduler: Scheduler, master: Voice, streams: Streams, projection: Projection
) -> None:
    task_id = await running(scheduler, master, streams)
    await projection.node_state("master-1", NodeState.SUSPECT, link_rtt_ms=0)
    sent = len(streams.sent)
    command_id = await control(scheduler, task_id, Action.PAUSE)
    assert len(streams.sent) == sent

    await projection.node_state("master-1", NodeState.ONLINE, link_rtt_ms=0)

    await eventually(lambda: [c.command_id for _, c in streams.sent[sent:]] == [command_id])


async def test_an_edge_that_reconnects_to_its_master_gets_its_commands_again(
    scheduler: Scheduler, master: Voice, streams: Streams, projection: Projection
) -> None:
    edge = Voice(projection, "edge-1", Role.EDGE, via=master)
    await edge.say(edge.report(state=NodeState.ONLINE))
    _, command = await started(scheduler, streams, TaskSpec(node="edge-1", argv=("true",)))
    await edge.say(edge.report(state=NodeState.SUSPECT))

    await edge.say(edge.report(state=NodeState.ONLINE))

    await eventually(lambda: [c.command_id for _, c in streams.sent] == [command.command_id] * 2)


# --- base clients ---------------------------------------------------------------------------------


@pytest.fixture
async def base(scheduler: Scheduler, projection: Projection) -> Voice:
    voice = Voice(projection, "old-1", is_base=True)
    await voice.say(TaskStatus(task_id="own", state=TaskState.RUNNING))
    return voice


async def test_a_base_clients_states_answer_its_commands(
    scheduler: Scheduler, base: Voice, streams: Streams, listener: Recorder
) -> None:
    task_id, command = await started(scheduler, streams, TaskSpec(node="old-1", argv=("true",)))

    await base.say(TaskStatus(task_id=task_id, state=TaskState.RUNNING))
    pause = await control(scheduler, task_id, Action.PAUSE)
    await base.say(TaskStatus(task_id=task_id, state=TaskState.PAUSED))
    cancel = await control(scheduler, task_id, Action.CANCEL)
    await base.say(TaskStatus(task_id=task_id, state=TaskState.SUCCEEDED, exit_code=0))

    assert command_states(listener, command.command_id) == ["sent", "succeeded"]
    assert command_states(listener, pause) == ["sent", "succeeded"]
    assert command_states(listener, cancel) == ["sent", "failed"]


async def test_input_is_settled_when_a_base_client_goes_on(
    scheduler: Scheduler, base: Voice, streams: Streams, projection: Projection, listener: Recorder
) -> None:
    streams.broken.add("old-1")
    command_id = await control(scheduler, "own", Action.INPUT, input=b"y\n")
    await base.say(TaskStatus(task_id="own", state=TaskState.RUNNING, progress=0.5))
    assert "succeeded" not in command_states(listener, command_id)  # It has not got the input yet.
    (sent,) = await projection.ready(base.peer)
    assert (sent.command_id, sent.control.input) == (command_id, b"y\n")
    await base.say(TaskStatus(task_id="own", state=TaskState.RUNNING, progress=0.6))

    await eventually(lambda: command_states(listener, command_id)[-1] == "succeeded")


async def test_a_base_client_gets_a_name_and_words(scheduler: Scheduler, base: Voice, streams: Streams) -> None:
    unnamed_id, unnamed = await started(scheduler, streams, TaskSpec(node="old-1", argv=("/usr/bin/make", "all")))
    line_id, line = await started(scheduler, streams, TaskSpec(node="old-1", shell_line="make | tee log"))

    assert unnamed.task_request.name == f"command {unnamed_id[:8]}"
    assert (line.task_request.name, list(line.task_request.argv)) == (
        f"command {line_id[:8]}",
        ["/bin/sh", "-c", "make | tee log"],
    )


async def test_a_project_of_a_base_client_is_no_place_for_other_tasks(scheduler: Scheduler, base: Voice) -> None:
    await base.say(TaskStatus(task_id="own", state=TaskState.RUNNING, project="legacy"))

    with pytest.raises(TaskRejected) as refused:
        await scheduler.submit(TaskSpec(project="legacy", argv=("true",)), actor="ann")
    assert refused.value.code == "no-such-project"


async def test_a_silent_base_client_leaves_a_command_unknown(
    scheduler: Scheduler, base: Voice, listener: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "CONTROL_TTL", timedelta(seconds=0.2))

    command_id = await control(scheduler, "own", Action.PAUSE)

    await eventually(lambda: command_states(listener, command_id)[-1] == "unknown")


# --- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        (TaskSpec(node="nowhere", argv=("true",)), "no-such-node"),
        (TaskSpec(project="bank", argv=("true",)), "no-such-project"),
        (TaskSpec(node="master-1", project="bank", argv=("true",)), "no-such-project"),
        (TaskSpec(project="shop", named_task="deploy"), "no-such-named-task"),
        (TaskSpec(), "invalid"),
    ],
)
async def test_impossible_tasks_are_refused(scheduler: Scheduler, master: Voice, spec: TaskSpec, code: str) -> None:
    with pytest.raises(TaskRejected) as refused:
        await scheduler.submit(spec, actor="ann")

    assert refused.value.code == code
    assert not await read(Task.objects.exists)


async def test_a_job_that_fails_half_way_is_rolled_back_and_affects_no_other(
    scheduler: Scheduler, master: Voice, projection: Projection
) -> None:
    def half_way(unit: UnitOfWork) -> None:
        requests.create_task(unit, SLEEP, actor="ann")
        raise TaskRejected("no", "after a change")

    def whole(unit: UnitOfWork) -> str:
        return requests.create_task(unit, SLEEP, actor="bob").id

    jobs: list[Callable[[UnitOfWork], Any]] = [whole, half_way, whole]
    results = await asyncio.gather(*(projection.write(job) for job in jobs), return_exceptions=True)

    assert isinstance(results[1], TaskRejected)
    assert await read(lambda: set(Task.objects.values_list("id", flat=True))) == {results[0], results[2]}
