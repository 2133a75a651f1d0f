"""What an Edge signs: its journaled entries, and a ticket that says which parent it is attached to.

One signature covers a run of entries: it signs the root of a hash tree, and each entry carries its path to that root.
So any entry can be checked alone, however a relay batches, trims or repeats the run. Pure apart from the signature.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from nodes.stream.identity.edge_keys import EdgeKey, is_signed_by, times_of
from nodes.stream.wire.entry import Entry
from nodes.stream.wire.v1 import node_sync_pb2 as pb

_RUN = b"agentflow entries 1\0"
_TICKET = b"agentflow ticket 1\0"
_MAX_PATH = 32  # A tree of 4 billion entries: anything deeper is hostile.


def sign_entries(key: EdgeKey, entries: Sequence[Entry]) -> list[Entry]:
    """The same entries with their signatures; replaces signatures of an earlier sending."""
    leaves = [_leaf(entry.update) for entry in entries]
    levels = _levels(leaves)
    signature = key.sign(_RUN + levels[-1][0])
    signed = []
    for index, entry in enumerate(entries):
        entry.update.signature.CopyFrom(
            pb.EntrySignature(
                key=key.as_message(), signature=signature, index=index, count=len(entries), path=_path(levels, index)
            )
        )
        signed.append(Entry(entry.seq, entry.update.ByteSize(), entry.update))
    return signed


def is_signed(update: pb.NodeUpdate) -> bool:
    """Whether the key in the entry's signature signed this node, journal, number and content."""
    signed = update.signature
    if len(signed.path) > _MAX_PATH:
        return False
    root = _root(_leaf(update), signed.index, signed.count, signed.path)
    return root is not None and is_signed_by(signed.key.public_key, signed.signature, _RUN + root)


def new_ticket(
    key: EdgeKey, node_id: str, *, parent: str, counter: int, heads: Iterable[pb.JournalMark], token: str = ""
) -> pb.Ticket:
    token_id, issued_at, expires_at = times_of(token)
    ticket = pb.Ticket(
        parent=parent,
        counter=counter,
        heads=heads,
        key=key.as_message(),
        token_id=token_id,
        token_issued_at=issued_at,
        token_expires_at=expires_at,
    )
    ticket.signature = key.sign(_ticket_message(node_id, ticket))
    return ticket


def is_ticket_of(node_id: str, ticket: pb.Ticket) -> bool:
    """Whether the key in the ticket signed it for this node."""
    return is_signed_by(ticket.key.public_key, ticket.signature, _ticket_message(node_id, ticket))


def _ticket_message(node_id: str, ticket: pb.Ticket) -> bytes:
    content = pb.Ticket()
    content.CopyFrom(ticket)
    content.ClearField("signature")
    return _TICKET + _framed(node_id) + content.SerializeToString(deterministic=True)


def _leaf(update: pb.NodeUpdate) -> bytes:
    """The entry's digest. Deterministic bytes, because a relay parses and encodes the entry again.

    A field that a relay of an earlier version does not know keeps its place: new fields get the highest numbers.
    """
    signature = None
    if update.HasField("signature"):
        signature = pb.EntrySignature()
        signature.CopyFrom(update.signature)
        update.ClearField("signature")
    body = update.SerializeToString(deterministic=True)
    if signature is not None:
        update.signature.CopyFrom(signature)
    position = _framed(update.node_id) + _framed(update.journal_id) + update.seq.to_bytes(8, "big")
    return hashlib.sha256(b"\0" + position + hashlib.sha256(body).digest()).digest()


def _framed(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(4, "big") + raw


def _pair(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _levels(leaves: list[bytes]) -> list[list[bytes]]:
    """From the leaves to the root; a last one without a partner moves up unchanged."""
    levels = [leaves]
    while len(level := levels[-1]) > 1:
        pairs = [_pair(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        levels.append(pairs + level[len(pairs) * 2 :])
    return levels


def _path(levels: list[list[bytes]], index: int) -> list[bytes]:
    path = []
    for level in levels[:-1]:
        partner = index ^ 1
        if partner < len(level):
            path.append(level[partner])
        index //= 2
    return path


def _root(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes | None:
    """None when the path does not fit the place."""
    if not 0 <= index < count:
        return None
    at, digest = 0, leaf
    while count > 1:
        partner = index ^ 1
        if partner < count:
            if at == len(path):
                return None
            digest = _pair(digest, path[at]) if partner > index else _pair(path[at], digest)
            at += 1
        index, count = index // 2, (count + 1) // 2
    return digest if at == len(path) else None
