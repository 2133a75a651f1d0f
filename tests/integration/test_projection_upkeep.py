"""Long-term maintenance of a store: retention, revocations, a database that does not respond."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from agentflow_site.pruning import rewrite_older_database
from chat.retention import ChatRetention
from chat.retention import steps as chat_steps
from nodes import audit, selectors
from nodes.core import sqlite_space
from nodes.domain.events import Capabilities, LogBatch, LogLine, NodeReport, StallAlert, TaskStatus
from nodes.domain.states import LogLevel, LogStream, NodeState, Role, TaskHealth, TaskState
from nodes.errors import ConfigError, StoreError, WireError
from nodes.leader.projection import retention
from nodes.leader.projection.epoch import Epoch
from nodes.leader.projection.projection import Projection
from nodes.leader.projection.retention import Retention, RetentionConfig
from nodes.leader.projection.revocations import Revocations
from nodes.leader.projection.wal_watch import WalWatch
from nodes.models import Alert, Attempt, AuditEntry, Event, FeedEntry, Node, NodeToken, Store, Task
from nodes.models import LogLine as LogRow
from nodes.stream.identity.revoked_file import RevokedFile
from tests.support import database
from tests.support.eventually import eventually
from tests.support.leader_store import Recorder, Voice, read, running_projection

pytestmark = pytest.mark.django_db(transaction=True)
only_sqlite = pytest.mark.skipif("not database.is_sqlite()", reason="about SQLite's own settings, files and plans")


@pytest.fixture
def listener() -> Recorder:
    return Recorder()


@pytest.fixture
async def projection(tmp_path: Path, listener: Recorder) -> AsyncIterator[Projection]:
    async with running_projection(tmp_path, listener) as running:
        yield running


@pytest.fixture
async def master(projection: Projection) -> Voice:
    voice = Voice(projection, "master-1")
    await voice.arrive()
    return voice


async def ended_task(master: Voice, task_id: str, lines: int, *, text: bytes = b"x") -> None:
    await master.tell(TaskStatus(task_id=task_id, state=TaskState.RUNNING))
    output = tuple(LogLine(1, LogLevel.INFO, LogStream.STDOUT, text) for _ in range(lines))
    await master.tell(LogBatch(task_id=task_id, attempt=1, first_line=1, lines=output), lane="logs")
    await master.tell(TaskStatus(task_id=task_id, state=TaskState.SUCCEEDED))


async def test_the_feed_keeps_the_newest_and_reports_what_is_pruned(projection: Projection, master: Voice) -> None:
    for number in range(10):
        await ended_task(master, f"t{number}", 1)

    await Retention(projection.write, RetentionConfig(feed_entries=5)).prune()

    assert await read(FeedEntry.objects.count) == 5
    floor = await read(lambda: Store.objects.get().feed_floor)
    assert await read(lambda: selectors.feed_since(floor - 1, ["tasks"], 100)) is None
    assert len(await read(lambda: selectors.feed_since(floor, ["nodes", "tasks"], 100)) or ()) == 5


async def test_output_is_pruned_by_whole_attempts_oldest_first(projection: Projection, master: Voice) -> None:
    for task_id in ("t1", "t2", "t3"):
        await ended_task(master, task_id, 10)

    await Retention(projection.write, RetentionConfig(log_lines=20)).prune()

    assert await read(lambda: sorted(set(LogRow.objects.values_list("task_id", flat=True)))) == ["t2", "t3"]
    assert await read(lambda: Attempt.objects.get(task="t1").is_log_pruned)


async def test_output_of_a_running_task_is_kept_at_any_age(projection: Projection, master: Voice) -> None:
    await ended_task(master, "t1", 1)
    await master.tell(TaskStatus(task_id="t2", state=TaskState.RUNNING))
    await master.tell(
        LogBatch(task_id="t2", attempt=1, first_line=1, lines=(LogLine(1, LogLevel.INFO, LogStream.STDOUT, b"x"),)),
        lane="logs",
    )

    await Retention(projection.write, RetentionConfig(log_age=timedelta(0))).prune()

    assert await read(lambda: list(LogRow.objects.values_list("task_id", flat=True))) == ["t2"]


async def test_output_age_counts_from_the_end_of_its_task(projection: Projection, master: Voice) -> None:
    """However long the task ran."""
    await ended_task(master, "t1", 5)
    await read(lambda: Attempt.objects.update(created_at=datetime.now(UTC) - timedelta(days=100)))

    assert not (await Retention(projection.write, RetentionConfig(log_age=timedelta(days=1))).prune()).removed


@only_sqlite
async def test_no_step_of_pruning_walks_over_a_table(projection: Projection, master: Voice) -> None:
    """Except along the primary key, from the oldest row."""
    await ended_task(master, "t1", 5)
    plans: list[str] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT") and "LIMIT" in sql:
            cursor = sqlite3.connect(connection.settings_dict["NAME"])
            rows = cursor.execute("EXPLAIN QUERY PLAN " + sql.replace("%s", "?"), params).fetchall()
            cursor.close()
            plans.extend(f"{row[3]}: {sql}" for row in rows)
        return execute(sql, params, many, context)

    def watched(function: Any) -> Any:
        def run(unit: Any) -> Any:
            with connection.execute_wrapper(explain):
                return function(unit)

        return projection.write(run)

    chat = chat_steps(ChatRetention(closed_age=timedelta(0), open_turns=1))
    await Retention(
        watched, RetentionConfig(history_age=timedelta(0), log_age=timedelta(0), audit_age=timedelta(0)), chat
    ).prune()

    assert plans
    walks = [plan for plan in plans if plan.startswith("SCAN") and "USING" not in plan and "ORDER BY" not in plan]
    sorts = [plan for plan in plans if "TEMP B-TREE" in plan]
    assert not walks, walks
    assert not sorts, sorts


async def test_a_long_attack_leaves_a_bounded_number_of_refusals(
    projection: Projection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_MAX_REFUSALS", 3)

    def fill() -> None:
        for number in range(6):
            for result in ("refused", "ok"):
                audit.entry("login", address=f"192.0.2.{number}", result=result).save()

    await read(fill)

    assert (await Retention(projection.write, RetentionConfig()).prune()).removed == {"refusals": 3}
    kept = AuditEntry.objects.filter(result="refused").order_by("id").values_list("address", flat=True)
    assert await read(lambda: list(kept)) == ["192.0.2.3", "192.0.2.4", "192.0.2.5"]
    assert await read(AuditEntry.objects.filter(result="ok").count) == 6


async def test_old_history_is_pruned_and_active_tasks_stay(projection: Projection, master: Voice) -> None:
    await ended_task(master, "t1", 1)
    await master.tell(TaskStatus(task_id="t2", state=TaskState.RUNNING))
    await master.tell(StallAlert(task_id="t2", verdict=TaskHealth.STALLED, reason="silent"))
    await projection.node_state("master-1", NodeState.OFFLINE, link_rtt_ms=0)
    await projection.node_state("master-1", NodeState.ONLINE, link_rtt_ms=0)

    removed = (await Retention(projection.write, RetentionConfig(history_age=timedelta(0))).prune()).removed

    assert not await read(Event.objects.exists)
    assert await read(lambda: list(Task.objects.values_list("id", flat=True))) == ["t2"]
    assert await read(lambda: list(Alert.objects.values_list("kind", flat=True))) == ["stalled"]
    assert (removed["log lines"], removed["tasks"], removed["alerts"]) == (1, 1, 1)
    assert not (await Retention(projection.write, RetentionConfig(history_age=timedelta(0))).prune()).removed
    # The node may still report it: then it starts again as a new, unknown task.
    applied = await master.tell(TaskStatus(task_id="t1", state=TaskState.RUNNING, attempt=2))
    assert not applied.nacks


async def test_states_pass_while_a_large_log_is_pruned(
    projection: Projection, master: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch is its own transaction, and waiting states are stored in between."""
    monkeypatch.setattr("nodes.leader.projection.retention._BATCH", 100)
    for _ in range(20):
        await ended_task(master, f"t{_}", 1000)
    pruning = asyncio.create_task(Retention(projection.write, RetentionConfig(log_age=timedelta(0))).prune())

    passed = 0
    while not pruning.done():
        await master.tell(TaskStatus(task_id=f"live-{passed}", state=TaskState.RUNNING))
        passed += 1

    assert (await pruning).removed["log lines"] == 20_000
    assert passed > 50


async def test_the_file_shrinks_in_steps_between_other_writes(
    projection: Projection, master: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL frees space by itself")
    monkeypatch.setattr(sqlite_space.shrink_step, "__kwdefaults__", {"kept_bytes": 0})
    monkeypatch.setattr(sqlite_space, "STEP_PAGES", 16)
    await read(rewrite_older_database)
    for number in range(40):
        await ended_task(master, f"t{number}", 200, text=b"x" * 200)
    before = await read(database_bytes)
    pruning = asyncio.create_task(Retention(projection.write, RetentionConfig(log_age=timedelta(0))).prune())

    passed = 0
    while not pruning.done():
        await master.tell(TaskStatus(task_id=f"live-{passed}", state=TaskState.RUNNING))
        passed += 1

    freed_bytes = (await pruning).freed_bytes
    assert freed_bytes > 1_000_000
    assert await read(database_bytes) < before - freed_bytes / 2
    assert passed > freed_bytes / (16 * 4096)
    assert (await Retention(projection.write, RetentionConfig(log_age=timedelta(0))).prune()).freed_bytes == 0


def database_bytes() -> int:
    """Without the write-ahead log, whose content is part of it here."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return Path(connection.settings_dict["NAME"]).stat().st_size


async def test_a_revocation_is_noticed(projection: Projection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("nodes.leader.projection.revocations._LOOK_SECONDS", 0.05)
    await Voice(projection, "master-1").arrive()  # Its token was issued elsewhere; from now on it is known.
    heard: list[str] = []
    revocations = Revocations(RevokedFile(tmp_path))
    await revocations.start(projection, heard.extend)
    running = asyncio.create_task(revocations.run())

    await read(lambda: NodeToken.objects.filter(node_id="master-1").update(revoked_at=datetime.now(UTC)))

    await eventually(lambda: heard == ["token-master-1"])
    assert revocations.ids == {"token-master-1"}
    revocations.request_stop()
    await running


async def test_while_the_database_is_locked_nodes_wait_and_people_are_notified(
    projection: Projection, master: Voice, listener: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodes.leader.projection.writer._RETRY_SECONDS", (0.05,))
    database.wait_shortly(monkeypatch)
    await projection.write(lambda unit: connection.close())  # The next connection has the short timeout.
    with database.locked():
        told = asyncio.create_task(master.tell(TaskStatus(task_id="t1", state=TaskState.RUNNING)))
        await eventually(lambda: listener.messages("STORE"))
        assert not told.done()
        with pytest.raises(StoreError, match="does not answer"):
            await projection.write(lambda unit: unit.next_seq())

    assert (await told).marks == {"master-1-states": 1}
    failing, ok = listener.messages("STORE")
    assert (failing["state"], failing["reason"]) == ("failing", "locked")
    assert failing["message"] in database.LOCKED
    assert (ok["state"], ok["since"]) == ("ok", None)


async def test_a_recovered_database_is_noticed_without_a_write(
    projection: Projection, listener: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nodes.leader.projection.writer.BEAT_SECONDS", 0.05)
    database.wait_shortly(monkeypatch)
    await projection.write(lambda unit: connection.close())  # The next connection has the short timeout.
    with database.locked(), pytest.raises(StoreError, match="does not answer"):
        await projection.write(lambda unit: unit.next_seq())

    await eventually(lambda: [message["state"] for message in listener.messages("STORE")] == ["failing", "ok"])


async def test_a_second_node_with_the_same_name_raises_one_alert(
    projection: Projection, master: Voice, listener: Recorder
) -> None:
    for _ in range(3):
        projection.report_duplicate("master-1", "10.0.0.9")

    await eventually(lambda: len(listener.messages("ALERT")) == 1)
    await master.arrive()
    assert not await read(lambda: Alert.objects.filter(resolved_at=None).exists())


async def test_the_leader_is_a_node_with_a_reserved_name(projection: Projection) -> None:
    await projection.register_leader(NodeReport(role=Role.LEADER, capabilities=Capabilities(os="Linux")))

    node = await read(lambda: Node.objects.get(id="leader"))
    assert (node.role, node.state) == ("leader", "online")
    with pytest.raises(WireError, match="own name"):
        await Voice(projection, "leader").arrive()


def test_the_epoch_grows_and_never_falls(tmp_path: Path) -> None:
    assert Epoch(tmp_path / "epoch").begin(1) == 1
    epoch = Epoch(tmp_path / "epoch")
    assert epoch.begin(1) == 2  # A term of another, empty database.
    assert epoch.rise_above(1) == 2
    assert epoch.rise_above(9) == 10
    assert Epoch(tmp_path / "epoch").value == 10
    (tmp_path / "epoch").write_text("nonsense")
    with pytest.raises(ConfigError, match="must contain a single number"):
        Epoch(tmp_path / "epoch")


@only_sqlite
async def test_the_database_is_set_up_for_one_writer_and_power_cuts() -> None:
    def pragmas() -> dict[str, object]:
        with connection.cursor() as cursor:
            return {
                name: cursor.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }

    assert await read(pragmas) == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    assert connection.settings_dict["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert connection.settings_dict["CONN_MAX_AGE"] == 0


# --- the identity of the store --------------------------------------------------------------------


async def store_id() -> str:
    return (await read(selectors.position))[0]


async def test_the_database_that_was_last_used_keeps_its_identity(tmp_path: Path, listener: Recorder) -> None:
    async with running_projection(tmp_path, listener) as projection:
        first = await store_id()
        # A node that has seen a later Leader raises the term while it runs.
        await Voice(projection, "master-1").arrive(max_epoch_seen=70)

    async with running_projection(tmp_path, listener):
        assert await store_id() == first


async def test_a_restored_database_is_another_store(tmp_path: Path, listener: Recorder) -> None:
    """Its feed numbers were used before with another meaning, so old cursors must not be continued."""
    async with running_projection(tmp_path, listener):
        backup = await read(Store.objects.get)
    async with running_projection(tmp_path, listener):
        first = await store_id()
    await read(backup.save)

    async with running_projection(tmp_path, listener):
        assert await store_id() != first


async def test_a_backup_of_the_last_leaders_own_term_is_another_store(tmp_path: Path, listener: Recorder) -> None:
    async with running_projection(tmp_path, listener) as projection:
        first, backup = await store_id(), await read(Store.objects.get)
        await Voice(projection, "master-1").arrive()
    await read(backup.save)
    await read(FeedEntry.objects.filter(id__gt=backup.feed_seq).delete)

    async with running_projection(tmp_path, listener):
        assert await store_id() != first


@only_sqlite
async def test_an_endless_read_transaction_raises_an_alert_until_it_ends(
    projection: Projection, master: Voice, listener: Recorder
) -> None:
    path = Path(connection.settings_dict["NAME"])
    watch = WalWatch(projection, path, limit_bytes=1 << 20, look_seconds=0.05)
    running = asyncio.create_task(watch.run())
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM nodes_logline").fetchone()

    for number in range(20):
        await ended_task(master, f"t{number}", 1000)
    await eventually(lambda: [alert["kind"] for alert in listener.messages("ALERT")] == ["wal-large"])
    reader.close()
    await read(lambda: connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())

    await eventually(lambda: listener.messages("ALERT")[-1]["resolvedAt"])
    watch.request_stop()
    await running
