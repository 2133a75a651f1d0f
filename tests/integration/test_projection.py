"""Reports of nodes over a real database file: states, history, marks, lines, and entries that cannot be applied."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from nodes.domain.commands import StartTask, TaskSpec
from nodes.domain.events import (
    Capabilities,
    CommandResult,
    Evidence,
    Gap,
    GpuMetrics,
    LogBatch,
    LogLine,
    Metrics,
    NamedTask,
    Project,
    StallAlert,
    TaskStatus,
)
from nodes.domain.phrases import phrase
from nodes.domain.states import CommandState, LogLevel, LogStream, NodeState, Role, TaskHealth, TaskState
from nodes.errors import WireError
from nodes.leader.projection.projection import Projection
from nodes.models import Alert, Attempt, DeadLetter, Event, FeedEntry, Journal, Node, Store, Task
from nodes.models import LogLine as LogRow
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from tests.support.edge_keys import edge_key
from tests.support.eventually import eventually
from tests.support.leader_store import Recorder, Voice, read, running_projection

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def listener() -> Recorder:
    return Recorder("logs")


@pytest.fixture
async def projection(tmp_path: Path, listener: Recorder) -> AsyncIterator[Projection]:
    async with running_projection(tmp_path, listener) as running:
        yield running


@pytest.fixture
async def master(projection: Projection) -> Voice:
    voice = Voice(projection, "master-1")
    await voice.arrive()
    return voice


def status(state: TaskState, **fields: Any) -> TaskStatus:
    return TaskStatus(**{"task_id": "t1", "state": state, "name": "build", **fields})


def lines(first: int, *texts: bytes, level: LogLevel = LogLevel.INFO, task_id: str = "t1") -> LogBatch:
    return LogBatch(
        task_id=task_id,
        attempt=1,
        first_line=first,
        lines=tuple(LogLine(1_700_000_000_000 + i, level, LogStream.STDOUT, text) for i, text in enumerate(texts)),
    )


async def task(task_id: str = "t1") -> Task:
    return await read(lambda: Task.objects.get(id=task_id))


# --- states ---------------------------------------------------------------------------------------


async def test_a_task_reported_by_a_node_becomes_a_row_and_a_message(master: Voice, listener: Recorder) -> None:
    request = StartTask(task_id="t1", attempt=1, spec=TaskSpec(project="shop", argv=("make", "all")))

    applied = await master.tell(status(TaskState.RUNNING, project="shop", request=request, accepts_input=True))

    assert applied.marks == {"master-1-states": 1}
    row = await task()
    assert (row.state, row.node_id, row.project, row.accepts_input) == ("running", "master-1", "shop", True)
    message = listener.messages("TASK_UPDATE")[-1]
    assert message["task"]["isCommand"]
    assert message["task"]["nodeState"] == "online"
    assert message["seq"] == str(row.version)


async def test_the_end_of_a_task_is_stored_with_its_resource_usage(master: Voice) -> None:
    await master.tell(status(TaskState.RUNNING, pid=7))
    await master.tell(status(TaskState.FAILED, exit_code=2, message="boom", cpu_seconds=1.5, peak_memory_bytes=1 << 40))

    attempt = await read(lambda: Attempt.objects.get(task="t1"))
    assert (attempt.state, attempt.exit_code, attempt.cpu_seconds) == ("failed", 2, 1.5)
    row = await task()
    assert (row.state, row.exit_code, row.message) == ("failed", 2, "boom")
    assert row.ended_at is not None


async def test_an_entry_sent_twice_counts_once(master: Voice, listener: Recorder) -> None:
    entry = master.entry(status(TaskState.RUNNING))
    await master.send(entry)
    before = len(listener.published)

    applied = await master.send(entry)

    assert applied.marks == {"master-1-states": 1}
    assert len(listener.published) == before
    assert await read(Event.objects.count) == 1


async def test_a_gap_is_requested_and_the_mark_stays(master: Voice) -> None:
    await master.tell(status(TaskState.RUNNING))

    applied = await master.send(
        master.entry(status(TaskState.PAUSED), seq=3), master.entry(status(TaskState.RUNNING), seq=4)
    )

    assert [(nack.code, nack.seq) for nack in applied.nacks] == [("hole", 2)]
    assert await read(lambda: Journal.objects.get(id="master-1-states").seq) == 1
    assert (await task()).state == "running"


async def test_a_gap_covers_what_the_node_dropped(master: Voice) -> None:
    await master.tell(status(TaskState.RUNNING))
    gap = master.entry(Gap(from_seq=2, to_seq=9, reason="trimmed"), seq=9)

    applied = await master.send(gap, master.entry(status(TaskState.SUCCEEDED, exit_code=0), seq=10))

    assert applied.marks == {"master-1-states": 10}
    assert not applied.nacks
    detail = await read(lambda: Event.objects.get(kind="gap").detail)
    assert (detail["from_seq"], detail["to_seq"]) == (2, 9)


async def test_an_illegal_transition_is_quarantined_and_blocks_nothing(master: Voice) -> None:
    await master.tell(status(TaskState.RUNNING))
    await master.tell(status(TaskState.SUCCEEDED, exit_code=0))

    applied = await master.tell(status(TaskState.RUNNING), TaskStatus(task_id="t2", state=TaskState.RUNNING))

    assert [nack.code for nack in applied.nacks] == ["illegal-transition"]
    assert applied.marks == {"master-1-states": 4}
    assert (await task()).state == "succeeded"
    assert (await task("t2")).state == "running"
    letter = await read(DeadLetter.objects.get)
    assert pb.NodeUpdate.FromString(bytes(letter.body)).task_update.task_id == "t1"


async def test_an_unknown_state_is_quarantined(master: Voice) -> None:
    entry = master.entry(status(TaskState.RUNNING))
    entry.task_update.state = 99  # type: ignore[assignment]

    applied = await master.send(entry)

    assert [nack.code for nack in applied.nacks] == ["bad-value"]
    assert applied.marks == {"master-1-states": 1}


async def test_a_value_that_the_database_refuses_costs_only_its_own_entry(master: Voice) -> None:
    applied = await master.tell(
        TaskStatus(task_id="t2", state=TaskState.RUNNING),
        status(TaskState.RUNNING, peak_memory_bytes=(1 << 64) - 1),
        TaskStatus(task_id="t3", state=TaskState.RUNNING),
    )

    assert [nack.seq for nack in applied.nacks] == [2]
    assert applied.marks == {"master-1-states": 3}
    assert await read(lambda: set(Task.objects.values_list("id", flat=True))) == {"t2", "t3"}


@pytest.mark.parametrize("task_id", ["a/b", "a b", "a\nb", "\x00", "..", "编译", "x" * 65, "?", "a%2fb"])
async def test_an_id_that_no_url_or_topic_can_contain_is_quarantined(master: Voice, task_id: str) -> None:
    """docs/protocol.md, "Limits"."""
    applied = await master.tell(status(TaskState.RUNNING, task_id=task_id), status(TaskState.RUNNING))
    logged = await master.tell(lines(1, b"hello", task_id=task_id), lane="logs")
    held = await master.snapshot(status(TaskState.RUNNING, task_id=task_id), status(TaskState.RUNNING))

    assert [(nack.seq, nack.code) for nack in applied.nacks] == [(1, "bad-value")]
    assert [nack.code for nack in logged.nacks] == ["bad-value"]
    assert not held.nacks
    assert applied.marks == {"master-1-states": 2}
    assert logged.marks == {"master-1-logs": 1}
    assert await read(lambda: list(Task.objects.values_list("id", flat=True))) == ["t1"]
    assert await read(DeadLetter.objects.count) == 2


async def test_an_edge_whose_name_no_topic_can_contain_is_not_registered(master: Voice) -> None:
    edge = Voice(master.projection, "logs: edge/1", Role.EDGE, via=master)

    applied = await edge.say(edge.report(state=NodeState.ONLINE))

    assert [nack.code for nack in applied.nacks] == ["bad-value"]
    assert not await read(Node.objects.filter(role="edge").exists)


async def test_an_oversize_entry_is_quarantined(master: Voice) -> None:
    applied = await master.tell(status(TaskState.RUNNING, message="x" * 600_000))

    assert [nack.code for nack in applied.nacks] == ["oversize"]
    assert applied.marks == {"master-1-states": 1}


async def test_a_stream_writes_only_its_own_node(projection: Projection, master: Voice) -> None:
    other = Voice(projection, "master-2")
    await other.arrive()
    stranger = master.entry(status(TaskState.RUNNING))
    stranger.node_id, stranger.journal_id = "master-2", "master-2-states"

    applied = await master.send(stranger)

    assert [nack.code for nack in applied.nacks] == ["foreign-node"]
    assert await read(lambda: Journal.objects.get(id="master-2-states").seq) == 0
    assert not await read(Task.objects.exists)


async def test_a_node_cannot_touch_the_task_of_another(projection: Projection, master: Voice) -> None:
    await master.tell(status(TaskState.RUNNING))
    other = Voice(projection, "master-2")
    await other.arrive()

    applied = await other.tell(status(TaskState.SUCCEEDED))

    assert [nack.code for nack in applied.nacks] == ["foreign-node"]
    assert (await task()).state == "running"


async def test_progress_between_states_is_shown_but_not_journaled(master: Voice, listener: Recorder) -> None:
    await master.tell(status(TaskState.RUNNING))

    await master.say(status(TaskState.RUNNING, progress=0.5, message="half"))
    await master.say(status(TaskState.SUCCEEDED, progress=1.0))

    row = await task()
    assert (row.state, row.progress, row.message) == ("running", 0.5, "half")
    assert await read(Event.objects.count) == 1


async def test_text_with_nul_is_stored_without_it(master: Voice) -> None:
    await master.tell(status(TaskState.RUNNING, message="a\x00b", name="n\x00"))

    row = await task()
    assert (row.message, row.name) == ("ab", "n")


async def test_whatever_a_node_sends_no_nul_reaches_the_database(projection: Projection, master: Voice) -> None:
    """PostgreSQL refuses it in a text and in JSON; SQLite takes it, so this looks for it."""
    nul = "n\x00ul"
    spec = TaskSpec(argv=("true", nul), environment={"A": nul})
    await master.tell(
        status(TaskState.RUNNING, message=nul, message_parts=(phrase(nul, value=nul),), name=nul, project=nul),
        status(TaskState.RUNNING, task_id="t2", request=StartTask(task_id="t2", attempt=1, spec=spec)),
        StallAlert(
            task_id="t1", verdict=TaskHealth.STALLED, reason=nul, evidence=(Evidence(id=nul, kind=nul, text=nul),)
        ),
        Gap(from_seq=9, to_seq=9, reason=nul),
    )
    await master.tell(lines(1, nul.encode()), lane="logs")
    tasks = (NamedTask(name=nul, argv=(nul,), description=nul),)
    gpu = GpuMetrics(name=nul)
    machine = Capabilities(os=nul, gpus=(gpu,), projects=(Project(name=nul, path=nul, tasks=tasks),))
    metrics = Metrics(
        cpu_percent=1,
        memory_used_bytes=1,
        memory_total_bytes=2,
        disk_used_bytes=3,
        disk_total_bytes=4,
        gpus=(gpu,),
    )
    await master.snapshot(capabilities=machine, address=nul)
    await master.say(metrics)
    await master.send(pb.NodeUpdate(node_id=nul), pb.NodeUpdate(journal_id=nul, seq=1, gap=pb.Gap(reason=nul)))

    assert await eventually(lambda: read(lambda: Node.objects.get(id="master-1").metrics))
    assert await read(columns_with_nul) == []
    assert (await task("t2")).spec == {}  # Not a changed one, which a retry would run.


async def test_text_that_looks_like_an_escaped_nul_is_kept(master: Voice) -> None:
    await master.tell(status(TaskState.RUNNING, message="\\\\u0000 \\u0000"))

    assert (await read(lambda: Event.objects.get(kind="task"))).detail["message"] == "\\\\u0000 \\u0000"


def columns_with_nul() -> list[str]:
    """PostgreSQL refuses NUL itself, so what it has stored has none."""
    found: list[str] = []
    if connection.vendor != "sqlite":
        return found
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            for column in connection.introspection.get_table_description(cursor, table):
                text = f"CAST({connection.ops.quote_name(column.name)} AS TEXT)"
                where = f"typeof({column.name}) = 'text' AND (instr({text}, char(0)) OR {text} LIKE '%%\\\\u0000%%')"
                cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)} WHERE {where}", [])
                if cursor.fetchone()[0] and (table, column.name) != ("nodes_feedentry", "text"):  # JSON in a text.
                    found.append(f"{table}.{column.name}")
    return found


# --- the opening ----------------------------------------------------------------------------------


async def test_welcome_has_the_marks_and_the_store(projection: Projection, master: Voice) -> None:
    await master.tell(status(TaskState.RUNNING))

    welcome = await master.arrive(status(TaskState.RUNNING))

    assert {mark.journal_id: mark.seq for mark in welcome.marks} == {"master-1-states": 1, "master-1-logs": 0}
    assert welcome.store_id == await read(lambda: Store.objects.get().store_id)
    assert welcome.parent_id == "leader"


@pytest.mark.parametrize("mark", [{"node_id": "x" * 70}, {"node_id": ".."}, {"lane": "\x00"}, {"lane": "z" * 70}])
async def test_a_hello_names_only_journals_that_a_database_can_hold(
    projection: Projection, master: Voice, mark: dict[str, str]
) -> None:
    """PostgreSQL refuses what SQLite would store for good."""
    hello = pb.Hello(name="master-1", role="master")
    hello.journals.add(**{"journal_id": "j1", "seq": 3, "lane": "states"} | mark)

    with contextlib.suppress(WireError):
        await projection.welcome(master.peer, hello)

    rows = await read(lambda: list(Journal.objects.values_list("node_id", "lane")))
    assert set(rows) <= {("master-1", "states"), ("master-1", "logs")}


async def test_a_higher_epoch_seen_by_a_node_raises_ours_above_it(projection: Projection, tmp_path: Path) -> None:
    await Voice(projection, "master-1").arrive(max_epoch_seen=41)

    assert (tmp_path / "epoch").read_text() == "42\n"


async def test_a_snapshot_completes_an_empty_store_and_the_replay_only_adds_history(
    projection: Projection, listener: Recorder
) -> None:
    voice = Voice(projection, "master-1")
    entries = [
        voice.entry(status(TaskState.RUNNING)),
        voice.entry(status(TaskState.PAUSED)),
        voice.entry(status(TaskState.RUNNING)),
        voice.entry(status(TaskState.PAUSED, paused_seconds=3.0)),
    ]
    await voice.arrive(status(TaskState.PAUSED, paused_seconds=3.0))
    updates_before = len(listener.messages("TASK_UPDATE"))

    applied = await voice.send(*entries)

    assert applied.marks == {"master-1-states": 4}
    assert (await task()).state == "paused"
    assert len(listener.messages("TASK_UPDATE")) == updates_before
    assert await read(lambda: Event.objects.filter(task_id="t1").count()) == 4


async def test_what_ended_while_the_link_was_down_is_never_lost(projection: Projection, master: Voice) -> None:
    await master.tell(status(TaskState.RUNNING))
    end = master.entry(status(TaskState.SUCCEEDED, exit_code=0))

    await master.arrive()  # The snapshot at 2 does not contain the task; its end is still in the journal.
    assert (await task()).state == "running"
    await master.send(end)

    assert (await task()).state == "succeeded"


async def test_a_task_missing_after_a_reconnect_is_lost_after_the_replay(master: Voice) -> None:
    await master.tell(status(TaskState.RUNNING))
    noise = master.entry(TaskStatus(task_id="t2", state=TaskState.RUNNING))

    await master.arrive(TaskStatus(task_id="t2", state=TaskState.RUNNING))
    assert (await task()).state == "running"
    await master.send(noise)

    assert (await task()).state == "lost"
    assert (await task("t2")).state == "running"


async def test_output_of_an_unknown_task_waits_for_its_state(master: Voice) -> None:
    await master.tell(lines(1, b"hello"), lane="logs")
    assert (await task()).state == "lost"

    applied = await master.tell(status(TaskState.RUNNING))

    assert not applied.nacks
    assert (await task()).state == "running"


async def test_a_task_known_by_its_output_gets_its_name_project_and_time_from_its_state(master: Voice) -> None:
    """As after a restored database: a node's journals fill it again, and the logs may come first."""
    await master.tell(lines(1, b"hello"), lane="logs")
    request = StartTask(task_id="t1", attempt=1, spec=TaskSpec(project="shop", named_task="build"))

    await master.tell(status(TaskState.RUNNING, project="shop", request=request, started_at_ms=1_700_000_000_000))

    row = await task()
    assert (row.name, row.project, row.spec["named_task"]) == ("build", "shop", "build")
    assert row.created_at.timestamp() == 1_700_000_000
    await master.tell(status(TaskState.FAILED, name="other", project="other"))
    assert ((await task()).name, (await task()).project) == ("build", "shop")


# --- output ---------------------------------------------------------------------------------------


async def test_lines_are_stored_once_in_order_and_pushed(master: Voice, listener: Recorder) -> None:
    await master.tell(status(TaskState.RUNNING))
    await master.tell(lines(1, b"one", b"two \xff"), lane="logs")
    await master.tell(lines(2, b"two \xff", b"three\x00"), lane="logs")

    rows = await read(lambda: list(LogRow.objects.values_list("number", "text")))
    assert rows == [(1, "one"), (2, "two \ufffd"), (3, "three")]
    pushed = [line for message in listener.messages("LOG") for line in message["lines"]]
    assert [(line[1], line[3], line[4], line[5]) for line in pushed] == [
        (1, "info", "stdout", "one"),
        (2, "info", "stdout", "two \ufffd"),
        (3, "info", "stdout", "three"),
    ]
    ids = await read(lambda: list(LogRow.objects.values_list("id", flat=True)))
    assert [line[0] for line in pushed] == [str(i) for i in ids]


async def test_more_lines_than_one_feed_number_holds_are_split(master: Voice) -> None:
    await master.tell(status(TaskState.RUNNING))

    await master.tell(lines(1, *([b"x"] * 2500)), lane="logs")

    ids = await read(lambda: list(LogRow.objects.values_list("id", flat=True)))
    assert len(set(ids)) == 2500
    assert len({i >> 10 for i in ids}) == 3


async def test_lines_without_subscribers_are_stored_but_not_encoded(master: Voice, listener: Recorder) -> None:
    listener.topics = {"logs:master-1:WARNING"}
    await master.tell(status(TaskState.RUNNING))

    await master.tell(lines(1, b"chatter"), lines(2, b"careful", level=LogLevel.WARNING), lane="logs")

    assert [m["lines"][0][5] for m in listener.messages("LOG")] == ["careful"]
    assert await read(LogRow.objects.count) == 2


# --- alerts, metrics, nodes -----------------------------------------------------------------------


async def test_a_stall_opens_an_alert_and_recovery_resolves_it(master: Voice, listener: Recorder) -> None:
    await master.tell(status(TaskState.RUNNING))
    evidence = (Evidence(id="e1", kind="output", text="silent"),)
    parts = (phrase("stalled", seconds="60"),)
    stall = StallAlert(
        task_id="t1", verdict=TaskHealth.STALLED, reason="silent for 60 s", reason_parts=parts, evidence=evidence
    )
    await master.tell(stall)
    assert (await task()).health == "stalled"

    await master.tell(StallAlert(task_id="t1", verdict=TaskHealth.HEALTHY, reason="output again"))

    opened, resolved = listener.messages("ALERT")
    assert (opened["level"], opened["kind"], opened["evidence"], opened["resolvedAt"]) == (
        "error",
        "stalled",
        ["e1"],
        None,
    )
    assert (opened["message"], opened["phrases"]) == ("silent for 60 s", {"message": parts[0]})
    assert (opened["task"], opened["taskName"], opened["attempt"]) == ("t1", "build", 1)
    assert opened["id"] == resolved["id"]
    assert resolved["resolvedAt"]
    assert (await task()).health == "healthy"


async def test_a_nodes_parts_are_kept_within_bounds(master: Voice) -> None:
    many = tuple(phrase("c" * 99, **{f"{n}": "x" * 2_000 for n in range(20)}) for _ in range(10))

    await master.tell(status(TaskState.FAILED, message="m", message_parts=many))

    stored = (await task()).message_parts
    assert 0 < len(json.dumps(stored)) < 50_000
    await master.tell(status(TaskState.RUNNING, attempt=2, message="linking"))
    assert (await task()).message_parts is None


async def test_the_end_of_a_task_resolves_its_alerts(master: Voice) -> None:
    await master.tell(status(TaskState.RUNNING))
    await master.tell(StallAlert(task_id="t1", verdict=TaskHealth.WAITING, reason="reads its input"))

    await master.tell(status(TaskState.CANCELLED))

    assert not await read(lambda: Alert.objects.filter(resolved_at=None).exists())


async def test_a_full_disk_and_full_memory_raise_alerts_until_there_is_room(master: Voice, listener: Recorder) -> None:
    async def measured(memory: int, disk: int, *, alerts: list[tuple[str, bool]]) -> None:
        await master.say(
            Metrics(
                cpu_percent=1,
                memory_used_bytes=memory,
                memory_total_bytes=100,
                disk_used_bytes=disk,
                disk_total_bytes=100,
            )
        )

        async def stored() -> bool:
            node = await read(lambda: Node.objects.get(id="master-1"))
            return node.metrics.get("memory", {}).get("used") == memory and node.metrics["disk"]["used"] == disk

        await eventually(stored)
        told = [(message["kind"], message["resolvedAt"] is None) for message in listener.messages("ALERT")]
        assert told == alerts

    await measured(94, 94, alerts=[])
    await measured(94, 96, alerts=[("node-disk", True)])
    await measured(96, 94, alerts=[("node-disk", True), ("node-memory", True)])
    await measured(93, 97, alerts=[("node-disk", True), ("node-memory", True)])
    await measured(
        91, 50, alerts=[("node-disk", True), ("node-memory", True), ("node-disk", False), ("node-memory", False)]
    )


async def test_a_bad_configuration_is_an_alert_until_it_is_good(master: Voice, listener: Recorder) -> None:
    where = phrase("config-line", node="master-1", file="/etc/agentflow.toml", line="3")

    for reason in ("invalid value", "unknown key"):
        await master.say(master.report(config_trouble=(where, phrase("as-said", said=reason))))
        await eventually(lambda reason=reason: reason in listener.messages("ALERT")[-1]["message"])
    await master.say(master.report())
    await eventually(lambda: listener.messages("ALERT")[-1]["resolvedAt"] is not None)

    assert {(alert["kind"], alert["node"]) for alert in listener.messages("ALERT")} == {("node-config", "master-1")}
    (alert,) = await read(lambda: list(Alert.objects.all()))
    assert alert.message.startswith("master-1: line 3 of /etc/agentflow.toml is not valid, so the node keeps")


async def test_a_wrong_clock_raises_an_alert_until_it_is_right(master: Voice, listener: Recorder) -> None:
    used = itertools.count(1)

    def measured(memory: int) -> Metrics:
        return Metrics(
            cpu_percent=1, memory_used_bytes=memory, memory_total_bytes=1 << 30, disk_used_bytes=1, disk_total_bytes=100
        )

    async def told(ahead_seconds: float) -> list[str]:
        """The alerts so far, when the node's clock is ahead by so much; resolved ones are prefixed with a minus."""
        master.clock_ahead_seconds = ahead_seconds
        now_used = next(used)
        await master.say(measured(now_used))

        async def stored() -> bool:
            node = await read(lambda: Node.objects.get(id="master-1"))
            return bool(node.metrics.get("memory", {}).get("used") == now_used)

        await eventually(stored)
        return [
            ("" if message["resolvedAt"] is None else "-") + message["message"].partition(",")[0]
            for message in listener.messages("ALERT")
        ]

    ahead = "master-1: the clock is about 2 min ahead of the Leader's"
    behind = "master-1: the clock is about 3 h behind the Leader's"
    assert await told(20) == []
    assert await told(-50) == []
    assert await told(121) == [ahead]
    assert await told(45) == [ahead]
    assert await told(-3 * 3600) == [ahead, behind]
    assert await told(1) == [ahead, behind, f"-{behind}"]


async def test_metrics_are_pushed_at_once_and_stored_later(master: Voice, listener: Recorder) -> None:
    metrics = Metrics(
        cpu_percent=12.5, memory_used_bytes=1, memory_total_bytes=4, disk_used_bytes=0, disk_total_bytes=0
    )

    await master.say(metrics)

    message = listener.messages("METRICS")[-1]
    assert (message["node"], message["cpu"], message["memory"]["percent"], message["disk"]) == (
        "master-1",
        12.5,
        25,
        None,
    )
    assert "seq" not in message

    async def stored() -> bool:
        return await read(lambda: Node.objects.get(id="master-1").metrics.get("cpu") == 12.5)

    await eventually(stored)


async def test_an_unreachable_nodes_tasks_are_shown_as_unknown(
    projection: Projection, master: Voice, listener: Recorder
) -> None:
    await master.tell(status(TaskState.RUNNING))

    await projection.node_state("master-1", NodeState.SUSPECT, link_rtt_ms=0)
    suspected = listener.messages("TASK_UPDATE")[-1]["task"]
    await projection.node_state("master-1", NodeState.OFFLINE, link_rtt_ms=0)

    shown = listener.messages("TASK_UPDATE")[-1]["task"]
    assert (shown["state"], shown["nodeState"]) == ("running", "offline")
    # It became unreachable when it became suspect.
    assert shown["unknownSince"] == suspected["unknownSince"] is not None
    assert listener.messages("ALERT")[-1]["kind"] == "node-offline"
    await master.arrive(status(TaskState.RUNNING))
    assert listener.messages("TASK_UPDATE")[-1]["task"]["unknownSince"] is None
    assert listener.messages("ALERT")[-1]["resolvedAt"]


async def test_an_edge_is_registered_by_its_masters_report(projection: Projection, master: Voice) -> None:
    edge = Voice(projection, "edge-1", Role.EDGE, via=master)
    await edge.say(edge.report(state=NodeState.ONLINE))
    await edge.tell(status(TaskState.RUNNING))

    node = await read(lambda: Node.objects.get(id="edge-1"))
    assert (node.parent, node.role, node.state) == ("master-1", "edge", "online")
    assert (await task()).node_id == "edge-1"
    await projection.node_state("master-1", NodeState.OFFLINE, link_rtt_ms=0)
    assert await read(lambda: Node.objects.get(id="edge-1").state) == "offline"


# --- an Edge that moves from one Master to another (docs/protocol.md, "Relay") ----------------------


@pytest.fixture
async def other(projection: Projection) -> Voice:
    voice = Voice(projection, "master-2")
    await voice.arrive()
    return voice


async def seen(node_id: str = "edge-1") -> tuple[str, str]:
    node = await read(lambda: Node.objects.get(id=node_id))
    return node.parent, node.state


def edge_of(master: Voice) -> Voice:
    return Voice(master.projection, "edge-1", Role.EDGE, via=master)


async def moved_edge(master: Voice, other: Voice) -> tuple[Voice, Voice]:
    """An Edge with a key that has moved; both Masters report it as online."""
    old = Voice(master.projection, "edge-1", Role.EDGE, via=master, key=edge_key())
    new = old.through(other)
    for voice in (old, new):
        await voice.send(voice.ticket())
        await voice.snapshot(state=NodeState.ONLINE)
    return old, new


@pytest.mark.parametrize("state", [NodeState.SUSPECT, NodeState.OFFLINE])
async def test_the_master_that_an_edge_left_is_ignored(master: Voice, other: Voice, state: NodeState) -> None:
    old, new = await moved_edge(master, other)
    await new.tell(status(TaskState.RUNNING))

    await old.say(old.report(state=state))
    await old.snapshot(state=state)

    assert await seen() == ("master-2", "online")
    assert (await task()).state == "running"
    await new.say(new.report(state=state))
    assert await seen() == ("master-2", state)


async def test_a_snapshot_from_before_the_move_changes_nothing(master: Voice, other: Voice) -> None:
    """The old Master has not noticed, reports "online", and its stream to the Leader restarts."""
    old, new = await moved_edge(master, other)
    await new.tell(status(TaskState.RUNNING))

    await master.arrive()
    await old.snapshot(state=NodeState.ONLINE, position=0)

    assert await seen() == ("master-2", "online")
    assert (await task()).state == "running"


async def test_a_master_that_corrects_its_report_loses_the_edge_to_the_one_that_has_it(
    master: Voice, other: Voice
) -> None:
    """As above, but the Edge has written nothing since: only later it shows which Master was right."""
    old, new = edge_of(master), edge_of(other)
    await old.snapshot(state=NodeState.ONLINE)
    await new.snapshot(state=NodeState.ONLINE)
    await master.arrive()
    await old.snapshot(state=NodeState.ONLINE)
    assert await seen() == ("master-1", "online")

    await old.say(old.report(state=NodeState.SUSPECT))
    assert await seen() == ("master-1", "suspect")
    await old.say(old.report(state=NodeState.OFFLINE))
    assert await seen() == ("master-2", "online")

    await new.say(new.report(state=NodeState.OFFLINE))
    assert await seen() == ("master-2", "offline")


async def test_an_unreachable_master_loses_its_edge_to_the_master_that_has_it(
    projection: Projection, master: Voice, other: Voice
) -> None:
    for voice in (master, other):
        await edge_of(voice).snapshot(state=NodeState.ONLINE)

    await projection.node_state("master-1", NodeState.SUSPECT, link_rtt_ms=0)
    assert await seen() == ("master-1", "suspect")
    await projection.node_state("master-1", NodeState.OFFLINE, link_rtt_ms=0)
    assert await seen() == ("master-2", "online")

    await projection.node_state("master-2", NodeState.SUSPECT, link_rtt_ms=0)
    assert await seen() == ("master-2", "suspect")


async def test_an_edge_that_comes_back_belongs_to_its_first_master_again(master: Voice, other: Voice) -> None:
    for voice in (master, other, master):
        await edge_of(voice).snapshot(state=NodeState.ONLINE)

    assert await seen() == ("master-1", "online")


async def test_a_new_leader_does_not_show_nodes_of_the_last_as_online(tmp_path: Path, projection: Projection) -> None:
    await Voice(projection, "master-1").arrive()
    await projection.stop()

    async with running_projection(tmp_path, Recorder()):
        node = await read(lambda: Node.objects.get(id="master-1"))

    assert node.state == "suspect"
    assert not await read(Alert.objects.exists)


async def test_nodes_are_unreachable_since_the_last_leaders_last_report(
    tmp_path: Path, projection: Projection, master: Voice
) -> None:
    """Not since the next Leader started: without a Leader, nodes were not monitored."""
    await Voice(projection, "master-2").arrive()
    evening = datetime.now(UTC) - timedelta(hours=9)
    tomorrow = datetime.now(UTC) + timedelta(hours=9)
    await projection.stop()
    for last_word, since in ((evening, evening), (tomorrow, None)):
        await read(lambda: Node.objects.update(state="online", state_changed_at=evening - timedelta(hours=1)))
        await read(lambda: Node.objects.filter(id="master-1").update(last_seen_at=evening - timedelta(minutes=1)))
        await read(lambda at=last_word: Node.objects.filter(id="master-2").update(last_seen_at=at))
        began = datetime.now(UTC)

        async with running_projection(tmp_path, Recorder()):
            nodes = await read(lambda: list(Node.objects.all()))

        assert {node.state for node in nodes} == {"suspect"}
        found = {node.state_changed_at for node in nodes}
        assert (
            found == {since} if since else min(found) >= began
        )  # After the clock was set back, no future time is shown.


# --- base clients ---------------------------------------------------------------------------------


async def test_a_base_client_is_registered_by_its_first_update(projection: Projection) -> None:
    base = Voice(projection, "old-1", is_base=True)

    await base.say(status(TaskState.RUNNING, attempt=0))

    node = await read(lambda: Node.objects.get(id="old-1"))
    assert (node.state, node.is_base_client) == ("online", True)
    assert (await task()).state == "running"
    applied = await base.say(status(TaskState.PENDING))
    assert [nack.code for nack in applied.nacks] == ["illegal-transition"]


async def test_the_projects_of_a_base_client_are_those_of_its_tasks(projection: Projection) -> None:
    base = Voice(projection, "old-1", is_base=True)
    for number, project in enumerate(["shop", "cafe\u0301", "caf\u00e9", "\u200b", "", "shop"]):
        await base.say(TaskStatus(task_id=f"t{number}", state=TaskState.RUNNING, project=project))
    for number in range(110):
        await base.say(TaskStatus(task_id=f"many{number}", state=TaskState.RUNNING, project=f"z{number:03d}"))

    projects = (await read(lambda: Node.objects.get(id="old-1"))).capabilities["projects"]
    assert [project["name"] for project in projects[:3]] == ["caf\u00e9", "shop", "z000"]
    assert len(projects) == 100
    assert (await read(lambda: Task.objects.get(id="many109"))).project == "z109"


async def test_an_alert_about_an_unknown_task_makes_its_row(projection: Projection, listener: Recorder) -> None:
    base = Voice(projection, "old-1", is_base=True)

    applied = await base.say(StallAlert(task_id="mine", verdict=TaskHealth.WAITING, reason="reads its input"))

    assert not applied.nacks
    found = await read(lambda: Task.objects.get(id="mine"))
    assert (found.state, found.node_id, found.health, found.accepts_input) == ("running", "old-1", "waiting", True)
    assert [alert["task"] for alert in listener.messages("ALERT")] == ["mine"]
    refused = await base.say(StallAlert(task_id="../x", verdict=TaskHealth.WAITING, reason="?"))
    assert [nack.code for nack in refused.nacks] == ["bad-value"]


async def test_a_journaled_alert_about_an_unknown_task_makes_a_row_without_a_state(master: Voice) -> None:
    await master.tell(StallAlert(task_id="t1", verdict=TaskHealth.STALLED, reason="no output"))
    assert ((await task()).state, (await task()).message) == ("lost", "This Leader has only an alert about the task.")

    await master.tell(status(TaskState.RUNNING))
    assert (await task()).state == "running"


# --- the feed -------------------------------------------------------------------------------------


async def test_the_feed_holds_what_was_pushed_in_order(master: Voice, listener: Recorder) -> None:
    await master.tell(status(TaskState.RUNNING))
    await master.tell(status(TaskState.PAUSED))

    entries = await read(lambda: list(FeedEntry.objects.values_list("id", "text", "topics")))
    states = [m for m in listener.published if m.kind == "state"]
    assert entries == [(m.seq, m.text, " ".join(m.topics)) for m in states]
    assert [m.seq for m in states] == sorted(m.seq for m in states)
    assert await read(lambda: Store.objects.get().feed_seq) == states[-1].seq


async def test_a_result_of_a_command_of_an_earlier_database_is_only_history(master: Voice) -> None:
    applied = await master.tell(CommandResult(command_id="c-old", state=CommandState.SUCCEEDED))

    assert not applied.nacks
    assert await read(lambda: Event.objects.get().kind) == "result"
