"""Corrupt files of an agent: they are quarantined, and what only they contained is reported again."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from nodes.agent.runner.shim import layout
from nodes.domain.states import Action, CommandState, Lane
from nodes.stream.journal.errors import JournalCorrupt
from nodes.stream.journal.guard import JournalGuard
from nodes.stream.journal.journal import Journal
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from tests.support.agent_parent import Parent, parent_of
from tests.support.delivery import MemoryStore
from tests.support.eventually import eventually
from tests.support.runner_harness import MemoryJournal, running

slow = pytest.mark.slow


@pytest.fixture
async def parent(tmp_path: Path) -> AsyncIterator[Parent]:
    async with parent_of(tmp_path) as parent:
        yield parent


def forget_journal(store: MemoryStore, lane: Lane) -> None:
    """The parent never saw the journal: its entries and its mark are removed."""
    journals = {mark.journal_id for mark in store.hellos[-1].journals if mark.lane == lane}
    store.entries = [entry for entry in store.entries if entry.journal_id not in journals]
    for journal_id in journals:
        store.marks.pop(journal_id, None)


def ruin(path: Path) -> None:
    """Also removes the write-ahead log, from which SQLite would restore everything."""
    path.write_bytes(b"no database" * 1000)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@slow
@pytest.mark.parametrize("lane", [Lane.STATES, Lane.LOGS])
async def test_reports_lost_with_a_corrupt_journal_are_sent_again(parent: Parent, lane: Lane) -> None:
    await parent.run_agent()
    await parent.start_task("sh", "-c", "echo one; echo two; exit 3")
    await eventually(lambda: parent.states()[-1:] == ["failed"] and len(parent.store.lines()) == 2)
    await parent.answer("start")
    await eventually((parent.data / "tasks/t1.1" / layout.REPORTED).exists)
    parent.agent.kill()
    forget_journal(parent.store, lane)
    path = parent.data / f"{lane}.db"
    ruin(path)

    await parent.run_agent()

    await eventually(lambda: len(parent.store.lines()) == 2)
    await eventually(lambda: parent.states()[-1:] == ["failed"])
    assert parent.statuses()[-1].exit_code == 3
    assert (await parent.answer("start")).state is CommandState.SUCCEEDED
    assert len(list(parent.data.glob(f"{path.name}.corrupt-*"))) >= 1
    batches = [entry.logs for entry in parent.store.entries if entry.HasField("logs")]
    assert batches[0].first_line == 1  # The original numbers, so that a parent that has the lines stores nothing twice.
    await eventually(parent.all_results_are_reported)
    await eventually(lambda: (parent.data / "tasks/t1.1" / layout.REPORTED).read_text() == parent.states_journal())
    told = len(parent.store.entries)
    parent.agent.kill()
    await parent.run_agent()
    await parent.control(Action.PAUSE, "late")
    await parent.answer("late")
    assert [entry.WhichOneof("payload") for entry in parent.store.entries[told:]] == ["command_result"] * 2


@slow
async def test_a_journal_that_becomes_corrupt_in_use_ends_the_agent_but_not_its_tasks(parent: Parent) -> None:
    await parent.run_agent()
    await parent.start_task("sh", "-c", "read line; echo got $line; exit 4")
    await eventually(lambda: parent.states() == ["running"])
    numbers = itertools.count()

    def is_dead() -> bool:
        """Each command makes the agent write one more entry.

        A transaction in progress while the files are corrupted restores its index, and SQLite continues from memory. So
        they are corrupted each time, including the index.
        """
        for path in parent.data.glob("states.db*"):
            with suppress(FileNotFoundError), path.open("r+b") as file:  # The dying agent removes some of them.
                file.write(b"\xff" * path.stat().st_size)
        parent.hub.send("master-1", pb.LeaderCommand(command_id=f"c{next(numbers)}", control=pb.ControlSignal()))
        return not parent.agent.is_running

    await eventually(is_dead, 30)
    assert parent.agent.wait() == 1
    assert "Traceback" not in parent.agent.log()

    await parent.run_agent()
    await parent.control(Action.INPUT, "input", text=b"me\n")
    await eventually(lambda: parent.states()[-1] == "failed")
    assert parent.statuses()[-1].exit_code == 4
    await eventually(lambda: parent.store.lines() == [b"got me"])
    assert list(parent.data.glob("states.db.corrupt-*"))


@slow
async def test_commands_run_once_even_if_the_command_log_is_lost(parent: Parent) -> None:
    witness = parent.folder / "witness"
    await parent.run_agent()
    await parent.start_task("sh", "-c", f"echo ran >> {witness}; while read line; do echo $line >> {witness}; done")
    await parent.answer("start")
    await parent.control(Action.INPUT, "input", text=b"once\n")
    await parent.answer("input")
    parent.agent.kill()
    ruin(parent.data / "commands.db")
    await parent.run_agent()

    await parent.start_task("sh", "-c", f"echo ran >> {witness}", times=5)
    await parent.control(Action.INPUT, "input", text=b"once\n", times=5)
    await parent.control(Action.INPUT, "more", text=b"more\n")
    await parent.answer("more")

    await eventually(lambda: witness.read_text() == "ran\nonce\nmore\n")
    assert {answer.state for name in ("start", "input") for answer in parent.answers(name)} == {CommandState.SUCCEEDED}

    await parent.control(Action.CANCEL, "cancel")
    await parent.answer("cancel")
    answers = len(parent.answers("input"))
    parent.agent.kill()
    ruin(parent.data / "commands.db")
    await parent.run_agent()
    await parent.control(Action.INPUT, "input", text=b"once\n")
    await eventually(lambda: len(parent.answers("input")) > answers)
    assert parent.answers("input")[-1].state is CommandState.SUCCEEDED  # Even after its task has ended.


@slow
async def test_a_damaged_node_file_is_replaced_at_the_next_start(parent: Parent) -> None:
    await parent.run_agent()
    parent.agent.kill()
    (parent.data / "node.json").write_bytes(b"\0" * 100)

    await parent.run_agent()

    await eventually(lambda: (b"k" * 32).hex() in (parent.data / "node.json").read_text())
    assert list(parent.data.glob("node.json.corrupt-*"))


@slow
async def test_a_renewed_journal_has_everything_that_is_not_reported_elsewhere(tmp_path: Path) -> None:
    journal = MemoryJournal()
    async with running(tmp_path, journal=journal) as node:
        command = node.start("sh", "-c", "exit 3")
        await node.end()
        await node.result(command)
        await eventually((tmp_path / "tasks/t1.1" / layout.REPORTED).exists)
        assert node.runner.snapshot_tasks() == ()
        journal.payloads.clear()

        journal.journal_id = "another"
        assert [status.exit_code for status in node.runner.snapshot_tasks()] == [3]  # Else the parent marks it lost.
        node.runner.report_again()
        assert (await node.end()).request is not None
        assert (await node.result(command)).state is CommandState.SUCCEEDED
        await eventually(lambda: node.runner.snapshot_tasks() == ())
    told = len(journal.payloads)

    async with running(tmp_path, journal=journal) as node:
        assert node.runner.snapshot_tasks() == ()
    assert len(journal.payloads) == told


def damage_body(path: Path) -> None:
    content = path.read_bytes()
    place = content.index(b"needle")
    path.write_bytes(content[:place] + b"noodle" + content[place + 6 :])


def damage_last_number(path: Path) -> None:
    """A number inside a page, which SQLite's own check does not examine."""
    with sqlite3.connect(path) as database:
        database.execute("UPDATE shelves SET last_seq = 5")
    database.close()


@pytest.mark.parametrize("damage", [damage_body, damage_last_number])
async def test_damage_that_the_database_cannot_see_is_found(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "states.db"
    journal = Journal(path, node_id="n1", lane=Lane.STATES)
    for n in range(50):
        await journal.append([pb.NodeUpdate(task_update=pb.TaskStatusUpdate(task_id=f"t{n}", message="needle"))])
    await journal.aclose()
    damage(path)

    again = Journal(path, node_id="n1", lane=Lane.STATES)
    guard = JournalGuard([again])
    if again.journal_id == journal.journal_id:
        with pytest.raises(JournalCorrupt):
            await again.read(again.journal_id, 0, 100, 1 << 20)
        with pytest.raises(JournalCorrupt):
            await guard.run()
    await again.aclose()

    healed = Journal(path, node_id="n1", lane=Lane.STATES)
    assert healed.journal_id != journal.journal_id
    assert healed.last_seq == 1  # The report that an earlier entry is lost.
    await healed.aclose()
    assert len([aside for aside in tmp_path.glob("states.db.corrupt-*") if aside.suffix[-1].isdigit()]) == 1
