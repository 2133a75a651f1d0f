"""The journal on a real file: docs/protocol.md, "Durable lanes"."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from nodes.core import sqlite_space
from nodes.core.clock import SystemClock
from nodes.domain.states import Lane
from nodes.errors import ConfigError
from nodes.stream.journal.errors import EntryTooLarge, JournalUnavailable
from nodes.stream.journal.journal import Journal, JournalLimits
from nodes.stream.wire.entry import Entry
from nodes.stream.wire.v1 import node_sync_pb2 as pb

Open = Callable[..., Journal]


@pytest.fixture
async def open_journal(tmp_path: Path) -> AsyncIterator[Open]:
    opened: list[Journal] = []

    def make(name: str = "states.db", *, node_id: str = "n1", lane: Lane = Lane.STATES, **limits: float) -> Journal:
        journal = Journal(tmp_path / name, node_id=node_id, lane=lane, limits=JournalLimits(**limits))  # type: ignore[arg-type]
        opened.append(journal)
        return journal

    yield make
    for journal in opened:
        await journal.aclose()


def _status(task_id: str, padding: int = 0) -> pb.NodeUpdate:
    return pb.NodeUpdate(
        task_update=pb.TaskStatusUpdate(task_id=task_id, state=pb.TASK_STATE_RUNNING, message="x" * padding)
    )


def _foreign(first: int, last: int) -> list[pb.NodeUpdate]:
    updates = [_status(f"t{seq}") for seq in range(first, last + 1)]
    for seq, update in enumerate(updates, first):
        update.node_id, update.journal_id, update.seq = "edge-1", "edge-journal", seq
    return updates


def _tasks(entries: list[Entry]) -> list[str]:
    return [entry.update.task_update.task_id for entry in entries]


async def _all(journal: Journal, journal_id: str | None = None, after: int = 0) -> list[Entry]:
    found: list[Entry] = []
    while entries := await journal.read(journal_id or journal.journal_id, after, 1000, 1 << 20):
        found += entries
        after = entries[-1].seq
    return found


async def test_entries_are_numbered_and_survive_reopening(open_journal: Open) -> None:
    journal = open_journal()

    assert await journal.append([_status("a"), _status("b")]) == 2
    assert await journal.append([_status("c")], cursor=("t1", 17)) == 3
    await journal.aclose()

    again = open_journal()
    assert again.journal_id == journal.journal_id
    assert again.last_seq == 3
    assert again.cursor("t1") == 17
    assert again.cursor("other") == 0
    entries = await _all(again)
    assert _tasks(entries) == ["a", "b", "c"]
    assert [entry.update.seq for entry in entries] == [1, 2, 3]
    assert {entry.update.node_id for entry in entries} == {"n1"}
    assert {entry.update.journal_id for entry in entries} == {journal.journal_id}


async def test_many_callers_share_a_commit_and_keep_their_order(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    commits: list[int] = []
    journal.on_growth(lambda mark: commits.append(mark.seq))

    numbers = await asyncio.gather(*(journal.append([_status(str(n))]) for n in range(500)))

    assert numbers == list(range(1, 501))
    assert _tasks(await _all(journal)) == [str(n) for n in range(500)]
    assert len(commits) < 100
    assert commits[-1] == 500


async def test_settings_are_those_that_survive_a_power_cut(open_journal: Open, tmp_path: Path) -> None:
    journal = open_journal()
    await journal.append([_status("a")])

    assert journal._file._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert journal._file._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_cursor_moves_with_its_entries_and_is_forgotten_at_zero(open_journal: Open) -> None:
    journal = open_journal()
    await journal.append([_status("a")], cursor=("t1", 10))
    await journal.append([_status("b")], cursor=("t1", 20))
    assert journal.cursor("t1") == 20

    await journal.append([], cursor=("t1", 0))
    assert journal.cursor("t1") == 0

    await journal.aclose()
    assert open_journal().cursor("t1") == 0


async def test_oversize_entry_is_refused_and_leaves_no_hole(open_journal: Open) -> None:
    journal = open_journal()

    with pytest.raises(EntryTooLarge) as caught:
        await journal.append([_status("ok"), _status("big", padding=256 * 1024)])

    assert caught.value.limit_bytes < 256 * 1024 < caught.value.size_bytes
    assert journal.last_seq == 0
    assert await journal.append([_status("a")]) == 1


async def test_old_entries_come_from_the_disk_and_new_ones_from_memory(open_journal: Open) -> None:
    journal = open_journal(ring_bytes=500)
    for n in range(50):
        await journal.append([_status(str(n), padding=20)])

    assert _tasks(await journal.read(journal.journal_id, 0, 3, 1 << 20)) == ["0", "1", "2"]
    assert _tasks(await journal.read(journal.journal_id, 49, 10, 1 << 20)) == ["49"]
    assert _tasks(await journal.read(journal.journal_id, 10, 100, 1)) == ["10"]
    assert await journal.read(journal.journal_id, 50, 10, 1 << 20) == []
    assert await journal.read("unknown", 0, 10, 1 << 20) == []


async def test_foreign_entries_keep_their_numbers(open_journal: Open) -> None:
    """Section "Relay"."""
    journal = open_journal()
    await journal.append([_status("own")])

    assert await journal.store("edge-journal", "edge-1", _foreign(1, 3)) == 3
    assert await journal.store("edge-journal", "edge-1", _foreign(2, 5)) == 5
    assert await journal.store("edge-journal", "edge-1", _foreign(7, 9)) == 5  # After a gap.
    assert journal.mark("edge-journal") == 5

    assert _tasks(await _all(journal, "edge-journal")) == ["t1", "t2", "t3", "t4", "t5"]
    await journal.aclose()
    again = open_journal()
    assert [(mark.node_id, mark.first_seq, mark.seq) for mark in again.marks()] == [("n1", 1, 1), ("edge-1", 1, 5)]


async def test_foreign_gap_accounts_for_its_numbers(open_journal: Open) -> None:
    journal = open_journal()
    gap = pb.NodeUpdate(node_id="edge-1", journal_id="edge-journal", seq=6, gap=pb.Gap(from_seq=1, to_seq=6))

    assert await journal.store("edge-journal", "edge-1", [gap, *_foreign(7, 8)]) == 8

    assert [entry.seq for entry in await _all(journal, "edge-journal")] == [6, 7, 8]


async def test_acked_entries_are_trimmed_when_old_and_leave_a_gap(open_journal: Open) -> None:
    journal = open_journal(keep_seconds=-1.0, ring_bytes=0)
    for n in range(10):
        await journal.append([_status(str(n))])

    journal.acked(journal.journal_id, 6)
    await journal.trim()

    entries = await _all(journal)
    assert entries[0].update.gap == pb.Gap(from_seq=1, to_seq=6, reason="trimmed")
    assert entries[0].seq == 6
    assert _tasks(entries[1:]) == ["6", "7", "8", "9"]
    assert journal.marks()[0].first_seq == 7


async def test_young_and_unacked_entries_are_kept(open_journal: Open) -> None:
    journal = open_journal(keep_seconds=3600)
    await journal.append([_status("a"), _status("b")])

    journal.acked(journal.journal_id, 1)
    await journal.trim()

    assert _tasks(await _all(journal)) == ["a", "b"]


async def test_a_jump_of_the_clock_trims_in_order_and_keeps_the_count_of_bytes(tmp_path: Path) -> None:
    clock = SettableClock()
    journal = Journal(
        tmp_path / "states.db", node_id="n1", lane=Lane.STATES, limits=JournalLimits(keep_seconds=60), clock=clock
    )
    for at_ms in (0, 3_600_000, 0):  # The middle entry was written while the clock was an hour ahead.
        clock.at_ms = at_ms
        await journal.append([_status(str(at_ms), padding=100)])
    journal.acked(journal.journal_id, 3)

    clock.at_ms = 120_000
    await journal.trim()
    assert [entry.seq for entry in await _all(journal, after=1)] == [2, 3]
    clock.at_ms = 4_000_000
    await journal.trim()

    assert journal.marks()[0].first_seq == 0
    assert journal._file.size_bytes == 0
    await journal.aclose()


class SettableClock(SystemClock):
    at_ms = 0

    def now_ms(self) -> int:
        return self.at_ms


async def test_all_trimmed_is_one_gap(open_journal: Open) -> None:
    journal = open_journal(keep_seconds=-1.0, ring_bytes=0)
    await journal.append([_status("a"), _status("b")])
    journal.acked(journal.journal_id, 2)
    await journal.trim()
    await journal.aclose()

    again = open_journal()
    entries = await _all(again)

    assert [(entry.seq, entry.update.gap.from_seq) for entry in entries] == [(2, 1)]
    assert await again.append([_status("c")]) == 3


async def test_size_limit_drops_acked_entries_first_then_the_oldest(
    open_journal: Open, caplog: pytest.LogCaptureFixture
) -> None:
    journal = open_journal(max_bytes=60_000, ring_bytes=0)
    for _ in range(40):
        await journal.append([_status("x", padding=1000) for _ in range(10)])
        journal.acked(journal.journal_id, journal.last_seq)
    await journal.trim()
    assert "unacknowledged" not in caplog.text
    acked = journal.last_seq

    for _ in range(140):
        await journal.append([_status("x", padding=1000) for _ in range(10)])
    await journal.trim()

    assert "unacknowledged" in caplog.text
    assert acked < journal.marks()[0].first_seq <= journal.last_seq
    assert journal._file.size_bytes <= 60_000


@pytest.mark.parametrize("damage", ["truncate", "flip", "nonsense"])
async def test_corrupt_file_is_quarantined_and_a_new_journal_starts(
    open_journal: Open, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal = open_journal()
    await journal.append([_status(str(n), padding=500) for n in range(200)])
    await journal.aclose()
    path = tmp_path / "states.db"
    content = bytearray(path.read_bytes())
    if damage == "truncate":
        content = content[: len(content) // 2]
    elif damage == "flip":
        for page in range(4096, len(content), 4096):
            content[page : page + 200] = b"\xff" * 200
    else:
        content[:100] = b"not a database at all" * 5
    path.write_bytes(content)

    again = open_journal()

    assert again.journal_id != journal.journal_id
    (first,) = await again.read(again.journal_id, 0, 10, 10_000)
    assert first.update.gap == pb.Gap(from_seq=1, to_seq=1, reason="damaged")
    assert await again.append([_status("new")]) == 2
    assert len(list(tmp_path.glob("states.db.corrupt-*"))) >= 1
    assert "quarantined" in caplog.text


async def test_renewed_journal_keeps_what_came_after_the_copy(open_journal: Open) -> None:
    """A data folder was restored from a copy: the parent already has more than entries 1 and 2."""
    journal = open_journal()
    await journal.append([_status("old-1"), _status("old-2")])
    await journal.aclose()
    restored = open_journal()
    await restored.append([_status("new-1"), _status("new-2")])
    old_id = restored.journal_id

    await restored.renew()

    assert restored.journal_id != old_id
    entries = await _all(restored)
    assert [(entry.seq, entry.update.task_update.task_id) for entry in entries] == [(1, "new-1"), (2, "new-2")]
    assert {entry.update.journal_id for entry in entries} == {restored.journal_id}
    assert await restored.append([_status("new-3")]) == 3
    assert [mark.journal_id for mark in restored.marks()] == [restored.journal_id]


async def test_full_disk_is_reported_and_recovers(open_journal: Open) -> None:
    journal = open_journal()
    await journal.append([_status("a")])
    pages = journal._file._db.execute("PRAGMA page_count").fetchone()[0]
    journal._file._db.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(JournalUnavailable, match="full"):
        await journal.append([_status("b", padding=200_000)])
    assert journal.last_seq == 1

    journal._file._db.execute("PRAGMA max_page_count = 1000000")
    assert await journal.append([_status("c")]) == 2
    assert _tasks(await _all(journal)) == ["a", "c"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_states_use_the_reserve_on_a_full_disk(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    journals = [Journal(small_disk / f"{lane}.db", node_id="n1", lane=lane) for lane in (Lane.STATES, Lane.LOGS)]
    states, logs = journals
    await states.append([_status("before")])
    await logs.append([_status("before")])
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)

    with pytest.raises(JournalUnavailable, match="full"):
        await logs.append([_status("log", padding=20_000) for _ in range(10)])
    for n in range(20):
        await states.append([_status(str(n), padding=20_000)])

    assert "freed reserved space" in caplog.text
    filler.unlink()
    assert await logs.append([_status("log", padding=20_000)]) > 0
    await states.trim()
    for journal in journals:
        await journal.aclose()
    again = Journal(small_disk / "states.db", node_id="n1", lane=Lane.STATES)
    assert again.last_seq == 21
    await again.aclose()


async def test_cancelled_caller_does_not_affect_others(open_journal: Open) -> None:
    journal = open_journal()
    tasks = [asyncio.create_task(journal.append([_status(str(n))])) for n in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()

    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [result for result in results if isinstance(result, int)] == list(range(2, 21, 2))
    assert await journal.append([_status("after")]) == 21


async def test_closed_journal_refuses(open_journal: Open) -> None:
    journal = open_journal()
    await journal.aclose()

    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.append([_status("a")])


async def test_another_nodes_file_and_another_lane_are_refused(open_journal: Open) -> None:
    await open_journal().aclose()

    with pytest.raises(ConfigError, match="of node 'n1', not of 'n2'"):
        open_journal(node_id="n2")
    with pytest.raises(ConfigError, match="journal of states, not of logs"):
        open_journal(lane=Lane.LOGS)


async def test_folder_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(ConfigError, match="cannot be opened"):
        Journal(tmp_path / "file" / "states.db", node_id="n1", lane=Lane.STATES)


_WRITER = """
import asyncio, sys
from pathlib import Path
from nodes.domain.states import Lane
from nodes.stream.journal.journal import Journal
from nodes.stream.wire.v1 import node_sync_pb2 as pb

async def main():
    journal = Journal(Path(sys.argv[1]), node_id="n1", lane=Lane.STATES)
    async def one(n):
        while True:
            update = pb.NodeUpdate(task_update=pb.TaskStatusUpdate(task_id="t", message="x" * 500))
            seq = await journal.append([update], cursor=("t", journal.last_seq + 1))
            sys.stdout.write(f"{seq}\\n"); sys.stdout.flush()
    await asyncio.gather(*(one(n) for n in range(8)))

asyncio.run(main())
"""


@pytest.mark.slow
async def test_confirmed_entries_survive_kill_9(tmp_path: Path, open_journal: Open) -> None:
    confirmed = 0
    for round_number in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path / "states.db")], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(50 * (round_number + 1)):
            confirmed = max(confirmed, int(process.stdout.readline()))
        process.kill()
        for line in process.stdout:
            if line.endswith("\n"):
                confirmed = max(confirmed, int(line))
        process.stdout.close()
        process.wait()

    journal = open_journal()

    assert journal.last_seq >= confirmed > 150
    assert [entry.seq for entry in await _all(journal)] == list(range(1, journal.last_seq + 1))
    assert journal.cursor("t") > 0
    with sqlite3.connect(tmp_path / "states.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


async def test_the_file_shrinks_after_a_trim(
    open_journal: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one of an earlier version, which is rewritten when it is opened."""
    monkeypatch.setattr(sqlite_space.shrink_step, "__kwdefaults__", {"kept_bytes": 0})
    path = tmp_path / "states.db"
    with contextlib.closing(sqlite3.connect(path)) as older:
        older.execute("PRAGMA journal_mode = WAL")
        older.execute("CREATE TABLE of_an_earlier_version (x)")
    journal = open_journal(keep_seconds=-1.0)
    last = 0
    for number in range(30):
        last = await journal.append([_status(str(number), padding=100_000)])
    journal.acked(journal.journal_id, last)

    await journal.trim()
    await journal.aclose()

    assert path.stat().st_size < 500_000
