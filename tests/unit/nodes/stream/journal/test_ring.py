from __future__ import annotations

from nodes.stream.journal.ring import Ring, take_prefix
from nodes.stream.wire.entry import Entry, trimmed_gap
from nodes.stream.wire.v1 import node_sync_pb2 as pb


def _entries(first: int, last: int, size: int = 10) -> list[Entry]:
    return [Entry(seq, size, pb.NodeUpdate(seq=seq)) for seq in range(first, last + 1)]


def _seqs(entries: list[Entry] | None) -> list[int] | None:
    return None if entries is None else [entry.seq for entry in entries]


def test_live_tail_is_served_from_memory() -> None:
    ring = Ring(max_bytes=1000)
    ring.extend("a", _entries(1, 5))

    assert _seqs(ring.after("a", 3, max_count=10, max_bytes=1000)) == [4, 5]
    assert _seqs(ring.after("a", 0, max_count=2, max_bytes=1000)) == [1, 2]
    assert _seqs(ring.after("a", 0, max_count=10, max_bytes=25)) == [1, 2]


def test_dropped_entries_must_be_read_from_disk() -> None:
    ring = Ring(max_bytes=100)
    ring.extend("a", _entries(1, 15))

    assert ring.after("a", 4, max_count=10, max_bytes=1000) is None
    assert _seqs(ring.after("a", 5, max_count=3, max_bytes=1000)) == [6, 7, 8]
    assert ring.after("b", 0, max_count=1, max_bytes=1) is None


def test_journals_share_the_limit_and_the_oldest_entry_is_dropped_first() -> None:
    ring = Ring(max_bytes=50)
    ring.extend("a", _entries(1, 3))
    ring.extend("b", _entries(1, 4))

    assert ring.after("a", 0, max_count=9, max_bytes=99) is None
    assert _seqs(ring.after("a", 2, max_count=9, max_bytes=99)) == [3]
    assert _seqs(ring.after("b", 0, max_count=9, max_bytes=99)) == [1, 2, 3, 4]


def test_gap_covers_all_its_numbers() -> None:
    ring = Ring(max_bytes=1000)
    ring.extend("a", [trimmed_gap(node_id="n", journal_id="a", from_seq=1, to_seq=9)])

    assert _seqs(ring.after("a", 0, max_count=9, max_bytes=99)) == [9]


def test_one_entry_is_always_taken() -> None:
    assert _seqs(take_prefix(_entries(1, 3, size=100), max_count=5, max_bytes=50)) == [1]
    assert take_prefix([], max_count=5, max_bytes=50) == []
