"""Leader, Master and Edge over real gRPC: docs/protocol.md, "Relay"."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from nodes.agent.relay.relay import Relay, edge_hub
from nodes.domain.commands import Command, ControlTask
from nodes.domain.events import CommandResult, Metrics
from nodes.domain.states import Action, CommandState, NodeState, Role, TaskState
from nodes.refusals import RefusalRecorder
from nodes.stream.hub.config import HubConfig
from nodes.stream.hub.hub import Hub
from nodes.stream.hub.ports import Peer
from nodes.stream.identity.signatures import is_signed, is_ticket_of, new_ticket
from nodes.stream.wire.codec import encode_command
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from nodes.stream.wire.v1.node_sync_pb2_grpc import NodeSyncStub
from tests.support.delivery import MemoryStore, Node, authenticate, hub_of, log_batch, node_of, running, status
from tests.support.edge_keys import edge_key
from tests.support.eventually import eventually

CANCEL = ControlTask(task_id="t1", action=Action.CANCEL)


@asynccontextmanager
async def master_of(folder: Path, leader: Hub | str, node_id: str = "master-1") -> AsyncIterator[tuple[Node, Hub]]:
    target = leader if isinstance(leader, str) else f"127.0.0.1:{leader.bound_port}"
    master = Node(folder, target, node_id)
    relay = Relay(uplink=master.uplink, journals=master.journals)
    hub = Hub(
        HubConfig(address="127.0.0.1:0", accepts=frozenset({Role.EDGE}), takes_base_clients=False),
        upstream=relay,
        authenticate=authenticate,
        epoch=lambda: master.uplink.node_file.max_epoch,
        on_refused=RefusalRecorder(in_background=False).note,
    )
    relay.attach(hub)
    try:
        async with running(master.uplink, hub):
            await hub.started()
            yield master, hub
    finally:
        await master.aclose()


async def test_edges_entries_reach_the_leader_unchanged(tmp_path: Path) -> None:
    store = MemoryStore()
    async with (
        hub_of(store) as leader,
        master_of(tmp_path, leader) as (master, hub),
        node_of(tmp_path, hub, "edge-1", role=Role.EDGE) as edge,
    ):
        edge.tasks = [status("e1")]
        await eventually(lambda: edge.uplink.is_connected)
        await edge.send(status("e1"), log_batch(1, 50))
        await master.send(status("m1"))
        await eventually(lambda: len(store.task_ids()) == 2 and len(store.lines()) == 50)

        assert store.task_ids("edge-1") == ["e1"]
        assert store.task_ids("master-1") == ["m1"]
        edge_entry = next(entry for entry in store.entries if entry.task_update.task_id == "e1")
        assert edge_entry.journal_id == edge.journals["states"].journal_id  # type: ignore[index]
        assert {peer.node_id for peer in store.peers} == {"master-1"}
        await eventually(lambda: master.uplink._client.session.is_drained)


async def test_edge_appears_under_its_master_with_metrics_and_link_state(tmp_path: Path) -> None:
    store = MemoryStore()
    async with hub_of(store) as leader, master_of(tmp_path, leader) as (master, hub):
        await eventually(lambda: master.uplink.is_connected)
        async with node_of(tmp_path, hub, "edge-1", role=Role.EDGE) as edge:
            await eventually(lambda: "edge-1" in store.snapshots)
            await edge.send(
                Metrics(cpu_percent=7, memory_used_bytes=1, memory_total_bytes=2, disk_used_bytes=3, disk_total_bytes=4)
            )
            await eventually(lambda: any(update.metrics.cpu_percent == 7 for update in store.ephemeral))
            assert store.snapshots["edge-1"].report.parent == "master-1"
        await eventually(
            lambda: any((update.node_id, update.report.state) == ("edge-1", "offline") for update in store.ephemeral)
        )


async def test_new_leader_gets_entries_and_state_of_the_edges(tmp_path: Path) -> None:
    first, second = MemoryStore(store_id="first"), MemoryStore(store_id="second")
    async with hub_of(first) as leader:
        address = f"127.0.0.1:{leader.bound_port}"
        async with (
            master_of(tmp_path, address) as (_, hub),
            node_of(tmp_path, hub, "edge-1", role=Role.EDGE) as edge,
        ):
            await eventually(lambda: edge.uplink.is_connected)
            await edge.send(status("e1"), status("e2"), status("e1", TaskState.SUCCEEDED))
            await eventually(lambda: len(first.task_ids()) == 3)
            leader.request_stop()
            await eventually(lambda: not leader.connected)
            async with hub_of(second, address=address):
                await eventually(lambda: len(second.task_ids()) == 3)
                await eventually(lambda: "edge-1" in second.snapshots)

    snapshot = second.snapshots["edge-1"]
    assert [task.task_id for task in snapshot.tasks] == ["e2"]
    assert {mark.node_id for mark in snapshot.positions} == {"edge-1"}
    assert second.task_ids() == ["e1", "e2", "e1"]


async def test_edge_delivers_to_its_master_while_there_is_no_leader(tmp_path: Path) -> None:
    store = MemoryStore()
    async with master_of(tmp_path, "127.0.0.1:1") as (master, hub):
        async with node_of(tmp_path, hub, "edge-1", role=Role.EDGE) as edge:
            await edge.send(status("e1"), log_batch(1, 20))
            await eventually(lambda: edge.uplink.is_connected and edge.uplink._client.session.is_drained)
        assert master.uplink.node_file.max_epoch == 0

    # The Edge never returns; its Master has its entries.
    async with hub_of(store) as leader, master_of(tmp_path, leader):
        await eventually(lambda: store.task_ids("edge-1") == ["e1"] and len(store.lines("edge-1")) == 20)


async def test_edge_that_moves_to_another_master_is_never_counted_twice(tmp_path: Path) -> None:
    store = MemoryStore()
    async with (
        hub_of(store) as leader,
        master_of(tmp_path, leader, "master-1") as (_, one),
        master_of(tmp_path, leader, "master-2") as (_, two),
    ):
        async with node_of(tmp_path, one, "edge-1", role=Role.EDGE) as edge:
            await edge.send(*(status(f"e{n}") for n in range(30)))
            await eventually(lambda: len(store.task_ids("edge-1")) == 30)
        async with node_of(tmp_path, two, "edge-1", role=Role.EDGE) as edge:
            await edge.send(status("e30"))
            await eventually(lambda: len(store.task_ids("edge-1")) == 31)
        async with node_of(tmp_path, one, "edge-1", role=Role.EDGE) as edge:
            await edge.send(status("e31"))
            await eventually(lambda: len(store.task_ids("edge-1")) == 32)

    assert store.task_ids("edge-1") == [f"e{n}" for n in range(32)]


async def test_edge_that_reconnects_is_online_with_its_first_update(tmp_path: Path) -> None:
    """A Leader ignores a Master's reports about an Edge that has left and was with another Master meanwhile."""
    store = MemoryStore()
    async with hub_of(store) as leader, master_of(tmp_path, leader) as (_, hub):
        for _ in range(2):
            store.snapshots.pop("edge-1", None)
            async with node_of(tmp_path, hub, "edge-1", role=Role.EDGE):
                snapshot = await eventually(lambda: store.snapshots.get("edge-1"))
                assert snapshot.report.state == "online"
            await eventually(lambda: any(update.report.state == "offline" for update in store.ephemeral))
            store.ephemeral.clear()


async def test_command_for_an_edge_goes_down_and_its_result_comes_up(tmp_path: Path) -> None:
    store = MemoryStore()
    command = encode_command(Command(command_id="c1", body=CANCEL, target_node_id="edge-1", ttl_seconds=60, epoch=4))
    async with hub_of(store, epoch=lambda: 4) as leader, master_of(tmp_path, leader) as (master, hub):
        await eventually(lambda: leader.connected)
        # The Edge is not connected yet: its Master keeps the command for it.
        leader.send("master-1", command)
        await eventually(lambda: master.uplink.node_file.max_epoch == 4)
        async with node_of(tmp_path, hub, "edge-1", role=Role.EDGE) as edge:
            await eventually(lambda: edge.commands)
            assert edge.commands[0].epoch == 4
            assert 0 < edge.commands[0].ttl_seconds <= 60
            await edge.send(CommandResult(command_id="c1", state=CommandState.SUCCEEDED))
            await eventually(lambda: store.entries)
        assert not master.commands
        async with node_of(tmp_path, hub, "edge-1", role=Role.EDGE) as edge:
            await eventually(lambda: edge.uplink.is_connected)
            assert not edge.commands  # It was answered.

    assert store.entries[0].command_result.command_id == "c1"
    assert store.entries[0].node_id == "edge-1"


async def test_command_to_a_connected_edge_is_not_delayed(tmp_path: Path) -> None:
    store = MemoryStore()
    async with (
        hub_of(store) as leader,
        master_of(tmp_path, leader) as (_, hub),
        node_of(tmp_path, hub, "edge-1", role=Role.EDGE) as edge,
    ):
        await eventually(lambda: edge.uplink.is_connected and leader.connected)
        leader.send("master-1", encode_command(Command(command_id="c1", body=CANCEL, target_node_id="edge-1")))
        await eventually(lambda: edge.commands)


async def test_base_client_must_connect_to_the_leader(tmp_path: Path) -> None:
    """A Master cannot relay updates without numbers, nor report the outcome of a command."""
    async with master_of(tmp_path, "127.0.0.1:1") as (_, hub):
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{hub.bound_port}")
        call = NodeSyncStub(channel).Connect(metadata=(("authorization", "Bearer edge:edge-9"),))
        await call.write(pb.NodeUpdate(node_id="edge-9", metrics=pb.SystemMetrics(cpu_percent=1)))

        assert await call.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "must connect to the Leader" in (await call.details() or "")
        assert not hub.connected
        await channel.close()


async def test_revocation_reaches_the_edges_stream(tmp_path: Path) -> None:
    store = MemoryStore()
    async with (
        hub_of(store) as leader,
        master_of(tmp_path, leader) as (master, hub),
        node_of(tmp_path, hub, "edge-1", role=Role.EDGE) as edge,
    ):
        await eventually(lambda: edge.uplink.is_connected and leader.connected)

        leader.revoke(["id-of-edge:edge-1"])

        await eventually(lambda: not hub.connected)
        assert "id-of-edge:edge-1" in master.uplink.node_file.revoked_token_ids


async def test_master_that_never_had_a_leader_accepts_no_edge(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    master = Node(tmp_path, "127.0.0.1:1")
    hub = edge_hub(
        HubConfig(address="127.0.0.1:0", accepts=frozenset({Role.EDGE})), uplink=master.uplink, journals=master.journals
    )
    async with running(hub):
        await hub.started()
        async with node_of(tmp_path, hub, "edge-1", role=Role.EDGE):
            # Its token may be valid: it retries soon, not as slowly as after a refusal.
            await eventually(
                lambda: "parent ended the stream: this master has not connected to its leader yet" in caplog.text
            )
    await master.aclose()


async def test_an_edge_with_a_key_signs_its_entries_and_shows_a_ticket_first(tmp_path: Path) -> None:
    store, key = MemoryStore(), edge_key()
    async with hub_of(store) as leader, master_of(tmp_path, leader) as (master, hub):
        await eventually(lambda: master.uplink.is_connected)  # Else the first snapshots of the stream say it all.
        async with node_of(tmp_path, hub, "edge-1", role=Role.EDGE, key=key) as edge:
            await edge.send(*(status(f"e{n}") for n in range(5)), log_batch(1, 3))
            await eventually(lambda: len(store.task_ids("edge-1")) == 5 and len(store.lines("edge-1")) == 3)
            await eventually(lambda: "edge-1" in store.snapshots)

        kinds = [update.WhichOneof("payload") for update in store.ephemeral if update.node_id == "edge-1"]
        # Anything before it would count as the Master's word about an Edge that is not its own.
        assert kinds[0] == "ticket"
        assert "snapshot" in kinds
        assert all(is_signed(entry) for entry in store.entries)
        tickets = [update.ticket for update in store.ephemeral if update.HasField("ticket")]
        assert is_ticket_of("edge-1", tickets[0])
        assert (tickets[0].parent, edge.uplink.node_file.next_ticket_counter(0)) == (
            "master-1",
            tickets[-1].counter + 1,
        )

    # A new Leader gets the ticket again, and what its journal relays with the same signatures.
    second = MemoryStore(store_id="second")
    async with hub_of(second) as leader, master_of(tmp_path, leader):
        await eventually(lambda: len(second.task_ids("edge-1")) == 5)
        assert all(is_signed(entry) for entry in second.entries)


async def test_a_stolen_token_without_its_key_opens_no_stream(tmp_path: Path) -> None:
    """Another Master has read the Edge's token: it can neither take its place nor keep it from connecting."""
    store, key = MemoryStore(), edge_key()
    async with (
        hub_of(store, accepts=frozenset({Role.MASTER, Role.EDGE})) as leader,
        master_of(tmp_path, leader) as (_, hub),
    ):
        await eventually(lambda: leader.connected)
        token = f"edge:edge-1:{key.public_key.hex()}"
        for port in (hub.bound_port, leader.bound_port):
            for first in (pb.Snapshot(), pb.Ticket(parent="master-1", counter=9, key=key.as_message())):
                assert await _ending(port, token, first) is grpc.StatusCode.PERMISSION_DENIED
        async with node_of(tmp_path, hub, "edge-1", role=Role.EDGE, key=key) as edge:
            await edge.send(status("e1"))
            await eventually(lambda: store.task_ids("edge-1") == ["e1"])

    assert [state for name, state in store.states if name == "edge-1"] == []


async def _ending(port: int, token: str, first: pb.Snapshot | pb.Ticket) -> grpc.StatusCode:
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    call = NodeSyncStub(channel).Connect(metadata=(("authorization", f"Bearer {token}"),))
    hello = pb.Hello(protocol_version=1, name="edge-1", role="edge", instance_id="thief")
    await call.write(pb.NodeUpdate(hello=hello))
    await call.read()
    kind = "ticket" if isinstance(first, pb.Ticket) else "snapshot"
    await call.write(pb.NodeUpdate(node_id="edge-1", **{kind: first}))
    async with asyncio.timeout(10):
        code = await call.code()
    await channel.close()
    return code


async def test_an_edge_that_writes_for_another_loses_the_entry_and_not_its_stream(tmp_path: Path) -> None:
    store = MemoryStore()
    async with (
        hub_of(store) as leader,
        master_of(tmp_path, leader) as (_, hub),
        node_of(tmp_path, hub, "edge-1", role=Role.EDGE) as edge,
    ):
        await eventually(lambda: edge.uplink.is_connected)
        edge.uplink.send_ephemeral("x", pb.NodeUpdate(node_id="edge-2", metrics=pb.SystemMetrics()))
        await edge.send(status("e1"))
        await eventually(lambda: store.task_ids("edge-1") == ["e1"])

    assert "edge-2" not in {update.node_id for update in store.ephemeral}


async def test_an_edges_ticket_goes_up_before_anything_else_about_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Leader refuses, with an alert, what a Master says of an Edge that has not shown it a ticket yet."""
    sent: list[pb.NodeUpdate] = []
    key = edge_key()
    peer = Peer(node_id="edge-1", role=Role.EDGE, token_id="t", public_key=key.public_key)
    ticket = new_ticket(key, "edge-1", parent="master-1", counter=1, heads=())
    master = Node(tmp_path, "127.0.0.1:1", "master-1")
    try:
        monkeypatch.setattr(master.uplink, "send_ephemeral", lambda name, update: sent.append(update))
        relay = Relay(uplink=master.uplink, journals=master.journals)

        await relay.welcome(peer, pb.Hello(report=pb.NodeReport(capabilities=pb.Capabilities(slots=4))))
        assert list(relay._snapshots()) == []
        await relay.take_ticket(peer, pb.NodeUpdate(node_id="edge-1", ticket=ticket))
        await relay.node_state("edge-1", NodeState.ONLINE, link_rtt_ms=0.0)
    finally:
        await master.aclose()

    assert [update.WhichOneof("payload") for update in sent] == ["ticket", "report"]
    assert (sent[1].report.capabilities.slots, sent[1].report.state) == (4, "online")


async def test_only_a_change_of_an_edges_link_state_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    master = Node(tmp_path, "127.0.0.1:1", "master-1")
    try:
        relay = Relay(uplink=master.uplink, journals=master.journals)
        with caplog.at_level("INFO", "nodes.agent.relay.relay"):
            for link_rtt_ms in (0.0, 1.0, 9.0):  # A clearly different round trip is reported, too.
                await relay.node_state("edge-1", NodeState.ONLINE, link_rtt_ms=link_rtt_ms)
    finally:
        await master.aclose()

    assert caplog.messages == ["edge edge-1 is online"]
