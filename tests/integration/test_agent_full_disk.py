"""A full disk under an agent: tasks continue, states are reported, losses are counted, and it recovers by itself."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from nodes.agent.runner.shim import layout, supervisor
from nodes.agent.runner.task_folder import TaskFolder
from nodes.domain.events import Payload
from nodes.domain.states import Action, CommandState
from nodes.stream.journal.errors import JournalUnavailable
from tests.support.agent_parent import Parent, parent_of
from tests.support.eventually import eventually
from tests.support.runner_harness import MemoryJournal, running

pytestmark = pytest.mark.slow

TALKING = """
import os, sys, time
number = 0
while not os.path.exists({stop!r}):
    for _ in range(100):
        number += 1
        print(f"line {{number}} {{'x' * 200}}")
    sys.stdout.flush()
    with open({count!r}, "w") as file:
        file.write(str(number))
    time.sleep(0.02)
sys.exit(3)
"""


@pytest.fixture
async def parent(tmp_path: Path) -> AsyncIterator[Parent]:
    """Its agent's data is on a disk of 32 MB."""
    disk = tmp_path / "data"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount")
    try:
        async with parent_of(tmp_path) as parent:
            yield parent
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Keeps the disk full: space that others free is taken too."""
    filler, stop = disk / "filler", threading.Event()

    def fill() -> None:
        with filler.open("ab", buffering=0) as file:
            while not stop.wait(0.005):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * 4096)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        filler.unlink()


async def test_an_agent_survives_a_full_disk(parent: Parent, tmp_path: Path) -> None:
    stop, count = tmp_path / "stop", tmp_path / "count"
    await parent.run_agent()
    await parent.start_task(sys.executable, "-c", TALKING.format(stop=str(stop), count=str(count)))
    await eventually(lambda: len(parent.store.lines()) > 500)
    folder = parent.data / "tasks/t1.1"

    with full(parent.data):
        for number in range(50):  # SQLite may still find some room in its pages.
            refused = f"c{number}"
            await parent.control(Action.INPUT, refused, text=b"x")
            answer = await parent.answer(refused)
            if answer.code == "disk":
                break
        assert (answer.state, answer.code) == (CommandState.FAILED, "disk")
        assert "not carried out" in answer.message
        before = len(parent.answers(refused))
        said = int(await eventually(count.read_text))
        await eventually(lambda: int(count.read_text() or 0) > said + 5_000)  # The task continues undisturbed.
        # It ends while the disk is full: only its final state has reserved space, and is reported.
        stop.touch()
        await eventually(lambda: parent.states()[-1] == "failed", 20)
        assert parent.statuses()[-1].exit_code == 3

    await eventually((folder / layout.EXIT).exists, 20)
    await eventually(lambda: (folder / layout.REPORTED).read_text() != "", 20)
    await parent.control(Action.INPUT, refused, text=b"x", times=5)
    await eventually(lambda: len(parent.answers(refused)) >= before + 5)
    assert {answer.code for answer in parent.answers(refused)} == {"disk"}  # And it is not done later.
    assert refused not in TaskFolder(folder).recorded_commands()

    total, suppressed = int(count.read_text()), parent.statuses()[-1].suppressed_lines
    assert suppressed > 0
    await eventually(lambda: sum(line.startswith(b"line ") for line in parent.store.lines()) == total - suppressed)
    numbers = [int(line.split()[1]) for line in parent.store.lines() if line.startswith(b"line ")]
    assert numbers == sorted(set(numbers))
    noted = [
        int(found[1]) for line in parent.store.lines() if (found := re.fullmatch(rb"(\d+) lines suppressed", line))
    ]
    assert sum(noted) <= suppressed  # The last count may not have fitted into the file; the state has all of them.

    await parent.start_task("true", command_id="after")  # The same attempt: known, so it does not run again.
    assert (await parent.answer("after")).code == "repeated"
    parent.agent.kill()
    await parent.run_agent()
    await parent.control(Action.PAUSE, "late")
    assert (await parent.answer("late")).code == "finished"


def test_an_end_is_reported_before_a_full_disk_loses_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    write_record = layout.write_record

    def refuse_twice(folder: str, name: str, record: dict[str, object]) -> None:
        events.append("try")
        if events.count("try") < 3:
            raise OSError(errno.ENOSPC, "full")
        write_record(folder, name, record)

    monkeypatch.setattr(layout, "write_record", refuse_twice)
    monkeypatch.setattr(supervisor, "_RECORD_SECONDS", 0.0)

    supervisor.report_end(str(tmp_path), {"state": "failed"}, lambda: events.append("told"))

    assert events == ["try", "told", "try", "try"]
    assert layout.read_record(str(tmp_path), layout.EXIT) == {"state": "failed"}


async def test_entries_waiting_for_the_disk_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = MemoryJournal()
    is_full = True

    async def emit(payload: Payload, **options: Any) -> None:
        if is_full:
            raise JournalUnavailable("full")
        await MemoryJournal.emit(journal, payload, **options)

    monkeypatch.setattr(journal, "emit", emit)
    async with running(tmp_path, journal=journal) as node:
        for number in range(5_000):
            node.control(Action.PAUSE, command_id=f"c{number % 50}")
            if number % 500 == 0:
                await asyncio.sleep(0)
        await eventually(lambda: commands_at_work() == 1_000)
        await asyncio.sleep(0.1)
        assert commands_at_work() == 1_000

        is_full = False
        await eventually(lambda: commands_at_work() == 0, 30)
        assert {len(node.results(f"c{number}")) > 1 for number in range(50)} == {True}


def commands_at_work() -> int:
    return sum(task.get_name().startswith("command-") for task in asyncio.all_tasks())


async def test_a_failed_sweep_is_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = MemoryJournal()
    refusals = 0

    async def forget(key: str) -> None:
        nonlocal refusals
        refusals += 1
        if refusals == 1:
            raise JournalUnavailable("full")
        journal.cursors.pop(key, None)

    monkeypatch.setattr(journal, "forget", forget)
    async with running(tmp_path, journal=journal, retention_seconds=0.0, sweep_seconds=0.05) as node:
        for task_id in ("t1", "t2"):
            node.start("true", task_id=task_id)
            await node.end(task_id)
        await eventually(lambda: refusals >= 2)
