"""A journaled update to be sent: number, encoded size, message."""

from __future__ import annotations

from dataclasses import dataclass

from nodes.stream.wire.v1 import node_sync_pb2 as pb


@dataclass(frozen=True, slots=True)
class Entry:
    """`size_bytes` is measured once, when the entry is encoded for storage."""

    seq: int
    size_bytes: int
    update: pb.NodeUpdate


def first_covered(update: pb.NodeUpdate) -> int:
    """The lowest number that this entry covers: a Gap covers everything from `from_seq` to its own number."""
    if update.WhichOneof("payload") == "gap" and 0 < update.gap.from_seq <= update.seq:
        return update.gap.from_seq
    return update.seq


def trimmed_gap(*, node_id: str, journal_id: str, from_seq: int, to_seq: int) -> Entry:
    """The entry that replaces entries which were trimmed before the parent had them."""
    update = pb.NodeUpdate(
        node_id=node_id,
        journal_id=journal_id,
        seq=to_seq,
        gap=pb.Gap(from_seq=from_seq, to_seq=to_seq, reason="trimmed"),
    )
    return Entry(to_seq, update.ByteSize(), update)
