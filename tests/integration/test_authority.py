"""Who may speak for which node (docs/protocol.md, "Edges speak for themselves"): every kind of message in a table.

The peer is always master-1's stream, opened with its own valid token.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from nodes.domain.events import (
    CommandResult,
    Gap,
    LogBatch,
    LogLine,
    Metrics,
    Payload,
    StallAlert,
    TaskStatus,
)
from nodes.domain.states import CommandState, LogLevel, LogStream, NodeState, Role, TaskHealth, TaskState
from nodes.errors import WireError
from nodes.leader.projection.projection import Projection
from nodes.models import Alert, DeadLetter, Journal, Node, NodeToken, Task
from nodes.stream.hub.ports import Peer, TicketRefused
from nodes.stream.identity import ClusterKey
from nodes.stream.identity.edge_keys import EdgeKey, proof_message, revoked_key
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from tests.support.edge_keys import CLUSTER, edge_key
from tests.support.leader_store import Recorder, Voice, read, running_projection

pytestmark = pytest.mark.django_db(transaction=True)

LINE = LogLine(1, LogLevel.INFO, LogStream.STDOUT, b"forged")
METRICS = Metrics(cpu_percent=99, memory_used_bytes=1, memory_total_bytes=2, disk_used_bytes=0, disk_total_bytes=1)


def status(state: TaskState, **fields: Any) -> TaskStatus:
    return TaskStatus(task_id="t1", state=state, **fields)


JOURNALED: dict[str, tuple[Payload, str]] = {
    "state": (status(TaskState.SUCCEEDED), "states"),
    "alert": (StallAlert(task_id="t1", verdict=TaskHealth.STALLED, reason="x", silent_seconds=1), "states"),
    "command result": (CommandResult(command_id="c1", state=CommandState.SUCCEEDED), "states"),
    "gap": (Gap(from_seq=1, to_seq=1, reason="trimmed"), "states"),
    "logs": (LogBatch(task_id="t1", attempt=1, first_line=1, lines=(LINE,)), "logs"),
}
EPHEMERAL = ("progress", "metrics", "report", "snapshot", "ticket")
KINDS = (*JOURNALED, *EPHEMERAL)
OK, NO, IGNORED = "ok", "foreign-node", "ignored"
ALL_OK = dict.fromkeys(KINDS, OK)
ALL_NO = dict.fromkeys(KINDS, NO)
# Whose node → kind of message → what the Leader does. A ticket is never the sender's own: it has no Edge's key.
TABLE: dict[str, dict[str, str]] = {
    "own node": ALL_OK | {"ticket": NO},
    "own Edge": ALL_NO | dict.fromkeys(("progress", "metrics", "report", "snapshot"), OK),
    "own Edge without a key": ALL_OK | {"ticket": NO},
    "another's Edge": ALL_NO,
    "another's Edge without a key": ALL_NO | {"report": IGNORED, "snapshot": IGNORED},
    "another Master": ALL_NO,
    "unknown": ALL_OK | {"ticket": NO},
    "unknown with a key": ALL_NO,
    "the Leader": ALL_NO,
}
NODES = {
    "own node": "master-1",
    "own Edge": "edge-1",
    "own Edge without a key": "old-edge-1",
    "another's Edge": "edge-2",
    "another's Edge without a key": "old-edge-2",
    "another Master": "master-2",
    "unknown": "edge-9",
    "unknown with a key": "edge-8",
    "the Leader": "leader",
}


@pytest.fixture
async def projection(tmp_path: Path) -> AsyncIterator[Projection]:
    async with running_projection(tmp_path, Recorder(), REVOKED) as made:
        yield made
    REVOKED.clear()


REVOKED: set[str] = set()


@pytest.fixture
async def master(projection: Projection) -> Voice:
    voice = Voice(projection, "master-1")
    await voice.arrive()
    return voice


@pytest.fixture
async def other(projection: Projection) -> Voice:
    voice = Voice(projection, "master-2")
    await voice.arrive()
    return voice


def edge(master: Voice, node_id: str = "edge-1", key: EdgeKey | None = None) -> Voice:
    return Voice(master.projection, node_id, Role.EDGE, via=master, key=key or edge_key(node_id))


async def attached(master: Voice, node_id: str = "edge-1", key: EdgeKey | None = None) -> Voice:
    made = edge(master, node_id, key)
    await made.send(made.ticket())
    await made.snapshot(state=NodeState.ONLINE)
    return made


async def row(node_id: str = "edge-1") -> Node:
    return await read(lambda: Node.objects.get(id=node_id))


async def task_state() -> str:
    return await read(lambda: Task.objects.get(id="t1").state)


async def foreign_alerts() -> int:
    return await read(Alert.objects.filter(kind="foreign-node", resolved_at=None).count)


async def fleet_of(projection: Projection, master: Voice, other: Voice) -> None:
    await projection.register_leader(master.report(role=Role.LEADER))
    for voice, number in ((master, 1), (other, 2)):
        await attached(voice, f"edge-{number}")
        keyless = Voice(projection, f"old-edge-{number}", Role.EDGE, via=voice)
        await keyless.snapshot(state=NodeState.ONLINE)
    await read(
        lambda: NodeToken.objects.create(
            token_id="promised", node_id="edge-8", role="edge", issued_at=timezone.now(), public_key="ab" * 32
        )
    )


@pytest.mark.parametrize("whose", TABLE)
async def test_every_kind_of_message_by_whose_node_it_is_about(
    projection: Projection, master: Voice, other: Voice, whose: str
) -> None:
    await fleet_of(projection, master, other)
    node_id = NODES[whose]
    got: dict[str, str] = {}

    for kind in KINDS:
        before = await read(lambda: list(Node.objects.filter(id=node_id).values()))
        role = Role.MASTER if node_id.startswith("master") else Role.EDGE
        forger = Voice(projection, node_id, role, via=master)
        forger.life = f"{kind.replace(' ', '-')}-"
        if kind in JOURNALED:
            payload, lane = JOURNALED[kind]
            applied = await forger.tell(payload, lane=lane)
        elif kind == "progress":
            applied = await forger.say(status(TaskState.RUNNING, progress=0.5))
        elif kind == "metrics":
            applied = await forger.say(METRICS)
        elif kind == "report":
            applied = await forger.say(forger.report(role=role))
        elif kind == "snapshot":
            applied = await forger.snapshot(role=role)
        else:
            # Its signature is good, but not by a key that this cluster gave to the node.
            forger.key = edge_key("edge-77")
            applied = await forger.send(forger.ticket())
        codes = {nack.code for nack in applied.nacks}
        is_same = before == await read(lambda: list(Node.objects.filter(id=node_id).values()))
        got[kind] = codes.pop() if codes else OK
        if got[kind] == OK and whose == "another's Edge without a key" and is_same:
            got[kind] = IGNORED
        if got[kind] == NO:
            assert is_same, kind
            assert not applied.marks

    assert got == TABLE[whose]
    assert await foreign_alerts() == 1
    own = TaskStatus(task_id="t2", state=TaskState.RUNNING)
    assert not (await master.tell(own)).nacks  # Its stream goes on.


async def test_a_master_cannot_end_the_task_of_anothers_edge(master: Voice, other: Voice) -> None:
    victim = await attached(other)
    await victim.tell(status(TaskState.RUNNING))

    forged = pb.NodeUpdate(
        node_id="edge-1",
        journal_id="any",
        seq=1,
        task_update=pb.TaskStatusUpdate(task_id="t1", state=pb.TASK_STATE_SUCCEEDED),
    )
    applied = await master.send(forged)

    assert [nack.code for nack in applied.nacks] == ["foreign-node"]
    assert await task_state() == "running"
    message = await read(lambda: Alert.objects.get(kind="foreign-node").message)
    assert message.startswith("master-1 sent messages for edge-1 without the right")
    await master.arrive()
    assert await foreign_alerts() == 0


async def test_a_master_cannot_write_a_state_of_its_own_edge(master: Voice) -> None:
    honest = await attached(master)
    await honest.tell(status(TaskState.RUNNING))

    forger = edge(master)
    forger.key, forger.seqs = None, dict(honest.seqs)
    applied = await forger.tell(status(TaskState.SUCCEEDED))

    assert [nack.code for nack in applied.nacks] == ["foreign-node"]
    assert await task_state() == "running"
    assert not (await honest.tell(status(TaskState.PAUSED))).nacks
    assert await task_state() == "paused"


@pytest.mark.parametrize("change", ["seq", "journal_id", "node_id"])
async def test_an_old_signature_is_not_valid_elsewhere(master: Voice, change: str) -> None:
    honest = await attached(master)
    entry = honest.entry(status(TaskState.RUNNING))
    await honest.send(entry)

    replayed = pb.NodeUpdate.FromString(entry.SerializeToString())
    setattr(replayed, change, {"seq": 2, "journal_id": "new", "node_id": "edge-9"}[change])
    applied = await master.send(replayed)

    assert [nack.code for nack in applied.nacks] == ["foreign-node"]


async def test_entries_that_a_former_master_holds_arrive(master: Voice, other: Voice) -> None:
    old = await attached(master)
    await old.tell(status(TaskState.RUNNING))
    held = old.entry(status(TaskState.SUCCEEDED))
    new = old.through(other)
    await new.send(new.ticket())

    await old.send(held)

    assert await task_state() == "succeeded"
    assert (await row()).parent == "master-2"


async def test_only_the_master_of_the_newest_ticket_speaks(master: Voice, other: Voice) -> None:
    old = await attached(master)
    first = old.ticket()
    await old.send(first)
    new = await moved(old, other)

    # It has not noticed yet, reconnects, and shows its last ticket again.
    await master.arrive()
    await old.send(first)
    await old.snapshot(state=NodeState.OFFLINE)
    await old.say(METRICS)

    assert ((await row()).parent, (await row()).state) == ("master-2", "online")
    assert await foreign_alerts() == 0
    await new.say(new.report(state=NodeState.OFFLINE))
    assert (await row()).state == "offline"


async def moved(old: Voice, other: Voice) -> Voice:
    new = old.through(other)
    await new.send(new.ticket())
    await new.snapshot(state=NodeState.ONLINE)
    return new


async def test_of_two_masters_with_one_counter_the_first_keeps_the_edge(master: Voice, other: Voice) -> None:
    """Two copies of one Edge's disk: neither may take the place of the other unnoticed."""
    one = await attached(master)
    two = one.through(other)
    await one.send(one.ticket(counter=50))

    await two.send(two.ticket(counter=50))

    assert (await row()).parent == "master-1"
    await two.send(two.ticket(counter=51))
    assert (await row()).parent == "master-2"


async def test_a_number_that_no_database_can_hold_is_refused(master: Voice) -> None:
    honest = await attached(master)

    assert [nack.code for nack in (await honest.send(honest.ticket(counter=1 << 63))).nacks] == ["foreign-node"]
    honest.seqs["states"] = (1 << 64) - 1
    await honest.send(honest.ticket())

    assert not (await honest.say(METRICS)).nacks


async def test_a_ticket_for_another_master_is_refused(master: Voice, other: Voice) -> None:
    victim = edge(other)

    stolen = victim.ticket()
    applied = await master.send(stolen)

    assert [nack.code for nack in applied.nacks] == ["foreign-node"]
    assert not await read(Node.objects.filter(id="edge-1").exists)


async def test_a_new_token_counts_from_its_first_ticket(master: Voice, other: Voice) -> None:
    """Also when the counter on the Edge's disk went back, or its former key was stolen."""
    old = await attached(master)
    await old.send(old.ticket(counter=1 << 60))
    newer = edge(other, key=_later(edge_key()))

    await newer.send(newer.ticket(counter=1))
    await old.send(old.ticket(counter=1 << 61))

    assert (await row()).parent == "master-2"


def _later(key: EdgeKey) -> EdgeKey:
    issued_at = key.issued_at + 10
    return replace(key, issued_at=issued_at, proof=CLUSTER.sign(proof_message("edge-1", issued_at, key.public_key)))


async def test_what_was_journaled_before_the_key_arrives_unsigned(master: Voice) -> None:
    """Its Master relays entries of the version before; the Edge's later ones are signed."""
    keyless = Voice(master.projection, "edge-1", Role.EDGE, via=master)
    await keyless.snapshot(state=NodeState.ONLINE)
    await keyless.tell(status(TaskState.RUNNING))
    before = keyless.entry(status(TaskState.PAUSED))
    keyed = edge(master)
    keyed.seqs = keyless.seqs
    await keyed.send(keyed.ticket())

    assert not (await keyed.send(before)).nacks
    assert await task_state() == "paused"
    assert not (await keyed.tell(status(TaskState.RUNNING))).nacks
    assert [nack.code for nack in (await keyless.tell(status(TaskState.SUCCEEDED))).nacks] == ["foreign-node"]
    assert await task_state() == "running"


async def test_a_gap_of_trimmed_entries_ends_at_what_the_edge_has_numbered(master: Voice) -> None:
    honest = await attached(master)
    await honest.tell(status(TaskState.RUNNING))
    gap = pb.NodeUpdate(node_id="edge-1", journal_id=honest.journal(), seq=9, gap=pb.Gap(from_seq=2, to_seq=9))

    assert [nack.code for nack in (await master.send(gap)).nacks] == ["foreign-node"]
    assert await mark(honest) == 1
    honest.seqs["states"] = 9
    assert not (await master.send(gap, honest.entry(status(TaskState.SUCCEEDED)))).nacks
    assert await mark(honest) == 10
    assert await task_state() == "succeeded"


async def mark(voice: Voice) -> int:
    return await read(lambda: Journal.objects.get(id=voice.journal()).seq)


async def test_a_revoked_key_signs_nothing_any_more(master: Voice) -> None:
    honest = await attached(master)
    await honest.tell(status(TaskState.RUNNING))
    assert honest.key is not None
    REVOKED.add(revoked_key(honest.key.public_key))

    applied = await honest.tell(status(TaskState.SUCCEEDED))
    await honest.send(honest.ticket())

    assert [nack.code for nack in applied.nacks] == ["foreign-node"]
    assert await task_state() == "running"
    assert await mark(honest) == 2  # What follows with a new key is not taken for a hole.


async def test_an_edge_without_a_key_changes_its_master_only_while_offline(master: Voice, other: Voice) -> None:
    old = Voice(master.projection, "edge-1", Role.EDGE, via=master)
    new = Voice(other.projection, "edge-1", Role.EDGE, via=other)
    await old.snapshot(state=NodeState.ONLINE)
    await old.tell(status(TaskState.RUNNING))
    new.seqs = old.seqs

    await new.snapshot(state=NodeState.ONLINE)
    refused = await new.tell(status(TaskState.SUCCEEDED))
    assert [nack.code for nack in refused.nacks] == ["foreign-node"]
    assert ((await row()).parent, await task_state()) == ("master-1", "running")

    await old.say(old.report(state=NodeState.OFFLINE))
    new.seqs["states"] -= 1  # Not acknowledged, so it is sent again.
    assert not (await new.tell(status(TaskState.SUCCEEDED))).nacks
    assert ((await row()).parent, await task_state()) == ("master-2", "succeeded")


async def test_an_edge_with_a_key_never_speaks_without_it_again(projection: Projection, master: Voice) -> None:
    await attached(master)
    thief = Voice(projection, "edge-1", Role.EDGE)  # With an older token, which has no key.

    with pytest.raises(WireError, match="had a key"):
        await thief.arrive()
    assert [nack.code for nack in (await thief.say(METRICS)).nacks] == ["foreign-node"]
    assert (await row()).parent == "master-1"


async def test_an_edge_connects_to_the_leader_itself(projection: Projection, master: Voice) -> None:
    moving = await attached(master)
    assert moving.key is not None
    direct = moving.through(master)
    direct.peer = Peer(node_id="edge-1", role=Role.EDGE, token_id="t", public_key=moving.key.public_key)

    await projection.welcome(direct.peer, pb.Hello(name="edge-1", role="edge"))
    assert (await row()).parent == "master-1"  # The token alone proves nothing.
    with pytest.raises(TicketRefused):
        await projection.take_ticket(direct.peer, direct.ticket(parent="leader", counter=1))
    await projection.take_ticket(direct.peer, direct.ticket(parent="leader", counter=99))
    await projection.node_state("edge-1", NodeState.ONLINE, link_rtt_ms=0)

    await moving.say(moving.report(state=NodeState.OFFLINE))  # Its former Master has noticed only now.
    assert ((await row()).parent, (await row()).state) == ("", "online")
    assert not (await direct.tell(status(TaskState.RUNNING))).nacks
    unsigned = Voice(projection, "edge-1", Role.EDGE)
    unsigned.peer, unsigned.seqs = direct.peer, direct.seqs
    assert [nack.code for nack in (await unsigned.tell(status(TaskState.SUCCEEDED))).nacks] == ["foreign-node"]


async def test_an_empty_database_accepts_what_edges_have_signed(master: Voice, other: Voice) -> None:
    """Before the Edge's own ticket arrives, a former Master refills the Leader."""
    lost = edge(master)
    await lost.tell(status(TaskState.RUNNING), status(TaskState.SUCCEEDED))
    assert await task_state() == "succeeded"

    await attached(other, key=lost.key)

    assert (await row()).parent == "master-2"


async def test_another_clusters_key_signs_nothing(master: Voice, tmp_path: Path) -> None:
    stranger = edge(master, key=edge_key("edge-1", ClusterKey.load_or_create(tmp_path / "stranger")))

    assert [nack.code for nack in (await stranger.tell(status(TaskState.RUNNING))).nacks] == ["foreign-node"]
    assert [nack.code for nack in (await stranger.send(stranger.ticket())).nacks] == ["foreign-node"]
    assert await read(DeadLetter.objects.count) == 2
    assert not await read(Node.objects.filter(id="edge-1").exists)
