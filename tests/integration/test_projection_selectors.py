"""Pages and sockets read exactly what was pushed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nodes import selectors
from nodes.domain.events import Gap, LogBatch, LogLine, StallAlert, TaskStatus
from nodes.domain.states import LogLevel, LogStream, TaskHealth, TaskState
from nodes.errors import NotFound
from nodes.leader.projection.projection import Projection
from nodes.models import FeedEntry, Store
from tests.support.leader_store import Recorder, Voice, read, running_projection

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def listener() -> Recorder:
    return Recorder("logs", "logs:master-1:ERROR")


@pytest.fixture
async def projection(tmp_path: Path, listener: Recorder) -> AsyncIterator[Projection]:
    async with running_projection(tmp_path, listener) as running:
        yield running


@pytest.fixture
async def master(projection: Projection) -> Voice:
    """Has run t1 (two lines, one of them an error) and is stuck on t2."""
    voice = Voice(projection, "master-1")
    await voice.arrive()
    await voice.tell(TaskStatus(task_id="t1", state=TaskState.RUNNING, name="build", project="shop"))
    lines = (
        LogLine(1, LogLevel.INFO, LogStream.STDOUT, b"compiling"),
        LogLine(2, LogLevel.ERROR, LogStream.STDERR, b"broken"),
    )
    await voice.tell(LogBatch(task_id="t1", attempt=1, first_line=1, lines=lines), lane="logs")
    await voice.tell(TaskStatus(task_id="t1", state=TaskState.FAILED, name="build", exit_code=2))
    await voice.tell(TaskStatus(task_id="t2", state=TaskState.RUNNING, name="test"))
    await voice.tell(StallAlert(task_id="t2", verdict=TaskHealth.STALLED, reason="silent"))
    return voice


async def test_a_snapshot_holds_the_same_objects_as_the_messages(master: Voice, listener: Recorder) -> None:
    snapshot = await read(lambda: selectors.snapshot(["nodes", "tasks", "alerts", "logs"]))

    newest = {message["task"]["id"]: message["task"] for message in listener.messages("TASK_UPDATE")}
    assert {task["id"]: task for task in snapshot["tasks"]} == newest
    assert snapshot["nodes"] == [listener.messages("NODE_STATUS")[-1]["node"]]
    assert [alert["kind"] for alert in snapshot["alerts"]] == ["stalled"]
    assert json.loads(json.dumps(snapshot["logs"])) == [listener.messages("LOG")[0]]


async def test_the_feed_returns_exactly_what_was_missed(master: Voice, listener: Recorder) -> None:
    pushed = [m for m in listener.published if m.seq and "logs:master-1:ERROR" not in m.topics]
    cursor = pushed[3].seq

    missed = await read(lambda: selectors.feed_since(cursor, None, 1000))

    assert missed is not None
    assert [(m.seq, m.topics, json.loads(m.text)) for m in missed] == [
        (m.seq, m.topics, json.loads(m.text)) for m in pushed[4:]
    ]


async def test_the_feed_is_read_by_topic(master: Voice, listener: Recorder) -> None:
    async def kinds(*topics: str) -> list[str]:
        found = await read(lambda: selectors.feed_since(0, topics, 1000))
        assert found is not None
        return [json.loads(m.text)["type"] for m in found]

    assert await kinds("alerts") == ["ALERT"]
    assert await kinds("task:t1") == ["TASK_UPDATE", "LOG", "TASK_UPDATE"]
    assert await kinds("logs:master-1") == ["LOG"]
    assert await kinds("logs:master-2") == []
    errors = await read(lambda: selectors.feed_since(0, ["logs:master-1:ERROR"], 1000))
    assert errors == [m for m in listener.published if m.topics == ("logs:master-1:ERROR",)]


async def test_the_feed_is_cut_in_order(master: Voice) -> None:
    whole = await read(lambda: selectors.feed_since(0, None, 1000))
    first = await read(lambda: selectors.feed_since(0, None, 3))

    assert whole is not None
    assert first == whole[:3]


async def test_a_cursor_before_the_pruned_part_needs_a_snapshot(master: Voice) -> None:
    await read(lambda: (FeedEntry.objects.filter(id__lte=2).delete(), Store.objects.update(feed_floor=2)))

    assert await read(lambda: selectors.feed_since(1, ["nodes"], 10)) is None
    assert await read(lambda: selectors.feed_since(2, ["nodes"], 10)) is not None


async def test_position_is_the_newest_number(master: Voice, listener: Recorder) -> None:
    store, seq = await read(selectors.position)

    assert seq == max(m.seq for m in listener.published)
    assert store == listener.messages("TASK_UPDATE")[0]["store"]


async def test_a_log_is_paged_by_line_number(master: Voice) -> None:
    first = await read(lambda: selectors.task_log("t1", limit=1))
    second = await read(lambda: selectors.task_log("t1", after=first["next"], limit=1))

    assert [line[5] for line in (*first["lines"], *second["lines"])] == ["compiling", "broken"]
    assert (first["next"], second["next"], second["lastLine"]) == (1, None, 2)
    errors = await read(lambda: selectors.task_log("t1", level="error"))
    assert [line[5] for line in errors["lines"]] == ["broken"]
    with pytest.raises(NotFound):
        await read(lambda: selectors.task_log("nowhere"))


async def test_quarantined_entries_are_counted(master: Voice) -> None:
    await master.tell(TaskStatus(task_id="no good/", state=TaskState.RUNNING))

    assert (await read(selectors.counts))["deadLetters"] == 1
    assert await read(lambda: selectors.dead_letters(node="master-1")) == 1
    assert await read(lambda: selectors.dead_letters(node="master-2")) == 0


async def test_gaps_are_published_and_stay_visible(master: Voice, listener: Recorder) -> None:
    """Missing lines are gaps between numbers; entries that the node dropped are in the history."""
    line = (LogLine(1, LogLevel.INFO, LogStream.STDOUT, b"x"),)
    await master.tell(LogBatch(task_id="t1", attempt=1, first_line=8, lines=line), lane="logs")
    master.seqs["states"] += 4
    await master.tell(Gap(from_seq=master.seqs["states"] - 3, to_seq=master.seqs["states"] + 1, reason="trimmed"))

    lines, entries = listener.messages("GAP")
    assert (lines["lane"], lines["task"], lines["attempt"], lines["firstLine"], lines["lines"]) == (
        "logs",
        "t1",
        1,
        3,
        5,
    )
    assert (entries["lane"], entries["node"], entries["task"], entries["reason"]) == (
        "states",
        "master-1",
        "",
        "trimmed",
    )
    assert (await read(lambda: selectors.task_log("t1")))["missing"] == [[3, 7]]
    assert (await read(lambda: selectors.task_log("t1", after=2, limit=1)))["missing"] == [[3, 7]]
    assert (await read(lambda: selectors.task_log("t1", limit=2)))["missing"] == []
    (found,) = await read(lambda: selectors.gaps(node="master-1"))
    assert {**found, "at": entries["at"]} == {name: entries[name] for name in entries if name in found}
    assert await read(lambda: selectors.gaps(node="master-2")) == []


async def test_recent_lines_of_a_node_by_level(master: Voice) -> None:
    warnings = await read(lambda: selectors.recent_logs(node="master-1", level="WARNING"))

    assert [line[5] for message in warnings for line in message["lines"]] == ["broken"]
    assert await read(lambda: selectors.recent_logs(node="master-2")) == []


async def test_the_work_log_finds_attempts(master: Voice) -> None:
    async def found(**filters: str) -> list[str]:
        return [row["task"] for row in (await read(lambda: selectors.work_log(**filters)))["results"]]

    assert await found() == ["t2", "t1"]
    assert await found(state="failed") == ["t1"]
    assert await found(project="shop", node="master-1") == ["t1"]
    assert await found(text="BUIL") == ["t1"]
    assert await found(text="nothing") == []


async def test_tasks_are_listed_a_page_at_a_time(master: Voice) -> None:
    first = await read(lambda: selectors.task_list(limit=1))
    second = await read(lambda: selectors.task_list(limit=1, page=2))

    assert [first["results"][0]["id"], second["results"][0]["id"]] == ["t2", "t1"]
    assert (first["hasMore"], second["hasMore"]) == (True, False)
    detail = await read(lambda: selectors.task_detail("t1"))
    assert [attempt["exitCode"] for attempt in detail["attempts"]] == [2]
    assert (await read(selectors.counts))["tasks"] == {"failed": 1, "running": 1}
