"""What an Edge signs, and which changes a signature shows (docs/protocol.md, "Edges speak for themselves")."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nodes.errors import ConfigError
from nodes.stream.identity.edge_keys import edge_key_of, encode_private_key, is_vouched_for
from nodes.stream.identity.signatures import is_signed, is_ticket_of, new_ticket, sign_entries
from nodes.stream.identity.tokens import issue_credentials
from nodes.stream.wire.entry import Entry
from nodes.stream.wire.limits import MAX_SIGNATURE_BYTES
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from tests.support.edge_keys import CLUSTER, edge_key

KEY = edge_key()


def entries(count: int) -> list[Entry]:
    made = []
    for seq in range(1, count + 1):
        update = pb.NodeUpdate(node_id="edge-1", journal_id="j", seq=seq, timestamp=seq)
        update.task_update.CopyFrom(pb.TaskStatusUpdate(task_id=f"t{seq}", state=pb.TASK_STATE_RUNNING))
        update.task_update.request.environment.update({"B": "2", "A": "1", "C": "3"})
        made.append(Entry(seq, update.ByteSize(), update))
    return made


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13, 1000])
def test_each_entry_of_a_run_can_be_checked_alone(count: int) -> None:
    plain = entries(count)
    sizes = [entry.size_bytes for entry in plain]

    signed = sign_entries(KEY, plain)

    assert all(is_signed(pb.NodeUpdate.FromString(entry.update.SerializeToString())) for entry in signed)
    assert len({entry.update.signature.signature for entry in signed}) == 1
    assert all(entry.size_bytes - size <= MAX_SIGNATURE_BYTES for entry, size in zip(signed, sizes, strict=True))


def put(update: pb.NodeUpdate, **values: object) -> None:
    for name, value in values.items():
        setattr(update, name, value)


CHANGES: dict[str, Callable[[pb.NodeUpdate], object]] = {
    "node": lambda update: put(update, node_id="edge-2"),
    "journal": lambda update: put(update, journal_id="k"),
    "number": lambda update: put(update, seq=3),
    "time": lambda update: put(update, timestamp=9),
    "content": lambda update: put(update.task_update, state=pb.TASK_STATE_SUCCEEDED),
    "place": lambda update: put(update.signature, index=2),
    "size of the run": lambda update: put(update.signature, count=1),
    "path": lambda update: update.signature.path.pop(),
    "longer path": lambda update: update.signature.path.extend([b"x" * 32] * 40),
    "another key": lambda update: put(update.signature.key, public_key=edge_key().public_key),
    "no signature": lambda update: put(update.signature, signature=b""),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_entry_is_not_signed(name: str) -> None:
    update = sign_entries(KEY, entries(5))[1].update

    CHANGES[name](update)

    assert not is_signed(update)


def test_a_relay_of_an_earlier_version_keeps_the_signature_valid() -> None:
    """It stores and forwards a field that it does not know, number 100 of a task's state."""
    status = pb.TaskStatusUpdate(task_id="t1").SerializeToString() + b"\xa2\x06\x03new"
    update = pb.NodeUpdate(node_id="edge-1", journal_id="j", seq=1, task_update=pb.TaskStatusUpdate.FromString(status))
    signed = sign_entries(KEY, [Entry(1, 0, update)])[0].update

    relayed = pb.NodeUpdate()
    relayed.CopyFrom(pb.NodeUpdate.FromString(signed.SerializeToString()))

    assert is_signed(relayed)


def test_an_entry_is_signed_again_at_each_sending() -> None:
    signed = sign_entries(KEY, sign_entries(KEY, entries(7))[2:5])

    assert all(is_signed(entry.update) for entry in signed)


def test_a_ticket_is_for_one_node_one_parent_and_one_number() -> None:
    ticket = new_ticket(KEY, "edge-1", parent="master-1", counter=7, heads=[])

    assert is_ticket_of("edge-1", ticket)
    assert not is_ticket_of("edge-2", ticket)
    for change in ({"parent": "master-2"}, {"counter": 8}):
        other = pb.Ticket()
        other.CopyFrom(ticket)
        for name, value in change.items():
            setattr(other, name, value)
        assert not is_ticket_of("edge-1", other)


def test_the_cluster_vouches_for_a_key_of_one_node() -> None:
    assert is_vouched_for(CLUSTER.public_key, "edge-1", KEY.as_message())
    assert not is_vouched_for(CLUSTER.public_key, "edge-2", KEY.as_message())
    assert not is_vouched_for(KEY.public_key, "edge-1", KEY.as_message())


def test_the_private_key_is_only_in_the_file() -> None:
    issued = issue_credentials(CLUSTER, node_id="edge-1", role="edge")
    key = edge_key_of(*issued.file_text.split("\n", 1))

    assert key is not None
    assert encode_private_key(key.private_key) in issued.file_text
    assert key.private_key.hex() not in repr(key)
    assert "PRIVATE" not in repr(issued)
    assert issue_credentials(CLUSTER, node_id="m", role="master").file_text.count("\n") == 0


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda token, pem: (token, ""), "without its private key"),
        (lambda token, pem: (token, pem.replace("BEGIN", "")), "damaged"),
        (lambda token, pem: (token, encode_private_key(edge_key().private_key)), "not the one"),
        (lambda token, pem: ("master:m", pem), "names none"),
    ],
)
def test_a_token_file_that_does_not_fit_is_refused(damage: Callable[[str, str], tuple[str, str]], words: str) -> None:
    token, pem = issue_credentials(CLUSTER, node_id="edge-1", role="edge").file_text.split("\n", 1)

    with pytest.raises(ConfigError, match=words):
        edge_key_of(*damage(token, pem))
