"""Uplink and hub over real gRPC, with real journal files. Each test names the section of docs/protocol.md it covers."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import stat
from pathlib import Path

import grpc
import pytest

from nodes.bearer import metadata_with
from nodes.domain.commands import Command, ControlTask
from nodes.domain.events import LogBatch, LogLine, Metrics
from nodes.domain.states import Action, LogLevel, LogStream, NodeState, Role, TaskState
from nodes.errors import ConfigError
from nodes.stream.wire.codec import encode_command
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from nodes.stream.wire.v1.node_sync_pb2_grpc import NodeSyncStub
from tests.support.delivery import MemoryStore, hub_of, log_batch, node_of, status
from tests.support.eventually import eventually

METRICS = Metrics(cpu_percent=5, memory_used_bytes=1, memory_total_bytes=2, disk_used_bytes=3, disk_total_bytes=4)


async def test_updates_are_pushed_acked_and_in_order(tmp_path: Path) -> None:
    """Sections "Opening" and "Durable lanes"."""
    store = MemoryStore()
    async with hub_of(store) as hub, node_of(tmp_path, hub) as node:
        await eventually(lambda: node.uplink.is_connected)
        await node.send(*(status(f"t{n}") for n in range(50)), log_batch(1, 100))
        await eventually(lambda: len(store.task_ids()) == 50 and len(store.lines()) == 100)

        assert store.task_ids() == [f"t{n}" for n in range(50)]
        await eventually(lambda: node.uplink._client.session.is_drained)
    assert store.states == [("master-1", NodeState.ONLINE), ("master-1", NodeState.OFFLINE)]
    assert store.hellos[0].role == "master"


async def test_a_fault_with_one_nodes_state_does_not_end_the_hub(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(MemoryStore):
        async def node_state(self, node_id: str, state: NodeState, *, link_rtt_ms: float) -> None:
            if node_id == "master-1":
                raise TypeError("no message can hold its row")
            await super().node_state(node_id, state, link_rtt_ms=link_rtt_ms)

    store = Faulty()
    async with hub_of(store) as hub, node_of(tmp_path, hub):
        await eventually(lambda: "state of master-1 not stored" in caplog.text)
        async with node_of(tmp_path, hub, "master-2"):
            await eventually(lambda: store.states == [("master-2", NodeState.ONLINE)])


async def test_updates_from_before_the_connection_are_replayed(tmp_path: Path) -> None:
    store = MemoryStore()
    async with node_of(tmp_path, "127.0.0.1:1") as node:
        node.tasks = [status("t1")]
        await node.send(status("t1"), log_batch(1, 10))
    assert not store.entries

    async with hub_of(store) as hub, node_of(tmp_path, hub) as node:
        node.tasks = [status("t1")]
        await eventually(lambda: store.task_ids() == ["t1"] and len(store.lines()) == 10)

    assert store.snapshots["master-1"].tasks[0].task_id == "t1"
    assert sorted(mark.seq for mark in store.snapshots["master-1"].positions) == [1, 1]


async def test_metrics_are_newest_wins_and_not_journaled(tmp_path: Path) -> None:
    """Section "Ephemeral lane"."""
    store = MemoryStore()
    async with hub_of(store) as hub, node_of(tmp_path, hub) as node:
        await node.send(METRICS)
        await eventually(lambda: node.uplink.is_connected)
        await node.send(METRICS)
        await eventually(lambda: any(update.WhichOneof("payload") == "metrics" for update in store.ephemeral))

        assert not store.entries
        assert [journal.last_seq for journal in node.journals.values()] == [0, 0]


async def test_progress_never_follows_the_state_that_overtook_it(tmp_path: Path) -> None:
    store = MemoryStore()
    async with hub_of(store) as hub, node_of(tmp_path, hub) as node:
        await eventually(lambda: node.uplink.is_connected)
        await node.uplink.send_update(status("t1", progress=0.5), ephemeral=True)
        await node.uplink.send_update(status("t1", TaskState.SUCCEEDED))
        await eventually(lambda: store.task_ids() == ["t1"])

    assert all(update.task_update.task_id != "t1" for update in store.ephemeral)


async def test_commands_go_down_with_their_epoch_and_the_epoch_is_remembered(tmp_path: Path) -> None:
    """Section "Epoch"."""
    store = MemoryStore()
    command = Command(command_id="c1", body=ControlTask(task_id="t1", action=Action.PAUSE), ttl_seconds=5)
    async with hub_of(store, epoch=lambda: 7) as hub, node_of(tmp_path, hub) as node:
        await eventually(lambda: hub.connected)
        assert hub.send("master-1", encode_command(command))
        assert not hub.send("nobody", encode_command(command))
        await eventually(lambda: node.commands)

        assert node.commands[0].command_id == "c1"
        assert node.commands[0].epoch == 7
        path = tmp_path / "master-1" / "node.json"
        assert json.loads(path.read_text())["max_epoch"] == 7
        assert json.loads(path.read_text())["revoked_token_ids"] == ["old"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    async with hub_of(store, epoch=lambda: 6) as hub, node_of(tmp_path, hub, slow_delay_seconds=0.05) as node:
        await eventually(lambda: store.hellos[-1].max_epoch_seen == 7)
        await asyncio.sleep(0.1)  # Nothing may happen.
        assert not node.uplink.is_connected


async def test_open_commands_are_sent_after_the_welcome(tmp_path: Path) -> None:
    store = MemoryStore()
    store.open_commands = [
        encode_command(Command(command_id="c1", body=ControlTask(task_id="t", action=Action.CANCEL)))
    ]
    async with hub_of(store) as hub, node_of(tmp_path, hub) as node:
        await eventually(lambda: node.commands)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (pb.LeaderCommand(command_id="c1", control=pb.ControlSignal(task_id="t1")), "bad-value"),
        (
            pb.LeaderCommand(
                command_id="c1", control=pb.ControlSignal(task_id="t1", action=1, target_node_id="edge-9")
            ),  # type: ignore[arg-type]
            "no-such-node",
        ),
    ],
)
async def test_invalid_command_is_answered(tmp_path: Path, message: pb.LeaderCommand, code: str) -> None:
    store = MemoryStore()
    async with hub_of(store) as hub, node_of(tmp_path, hub) as node:
        await eventually(lambda: hub.connected)
        hub.send("master-1", message)
        await eventually(lambda: store.entries)

        assert not node.commands
    result = store.entries[0].command_result
    assert (result.command_id, result.outcome, result.code) == ("c1", pb.COMMAND_OUTCOME_FAILED, code)


async def test_refused_entry_does_not_block_later_ones(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Section "Bad input"."""
    store = MemoryStore(bad_task_ids={"bad"})
    async with hub_of(store) as hub, node_of(tmp_path, hub) as node:
        await node.send(status("a"), status("bad"), status("b"))
        await eventually(lambda: store.task_ids() == ["a", "b"])
        await eventually(lambda: "bad-value" in caplog.text)


async def test_failing_store_is_retried(tmp_path: Path) -> None:
    store = MemoryStore(refuses=True)
    async with hub_of(store) as hub, node_of(tmp_path, hub) as node:
        await eventually(lambda: node.uplink.is_connected)
        await node.send(status("a"), status("b"))
        await asyncio.sleep(0.1)  # Nothing may be acknowledged meanwhile.
        assert not node.uplink._client.session.is_drained

        store.refuses = False
        await eventually(lambda: store.task_ids() == ["a", "b"])


async def test_large_log_batch_is_cut_into_entries(tmp_path: Path) -> None:
    store = MemoryStore()
    lines = tuple(LogLine(1, LogLevel.INFO, LogStream.STDOUT, b"%05d" % n + b"x" * 16_000) for n in range(100))
    async with hub_of(store) as hub, node_of(tmp_path, hub) as node:
        await node.send(LogBatch(task_id="t1", attempt=1, first_line=1, lines=lines))
        await eventually(lambda: len(store.lines()) == 100)

    assert [line[:5] for line in store.lines()] == [b"%05d" % n for n in range(100)]
    assert [entry.logs.first_line for entry in store.entries][:2] == [1, 8]


# The parent crashes


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _feed(node, first: int, last: int) -> None:  # type: ignore[no-untyped-def]
    for n in range(first, last):
        await node.send(status(f"t{n}"))
        await node.send(log_batch(n * 10 + 1, 10))


async def test_parent_cut_off_mid_stream_loses_and_duplicates_nothing(tmp_path: Path) -> None:
    """Section "Durable lanes": replay from the marks."""
    store = MemoryStore(commit_seconds=0.005)
    address = f"127.0.0.1:{_free_port()}"
    async with node_of(tmp_path, address) as node:
        for number in range(4):
            feeding = asyncio.create_task(_feed(node, number * 50, number * 50 + 50))
            async with hub_of(store, address=address) as hub:
                await eventually(lambda number=number: len(store.task_ids()) > number * 50)
                if number < 3:
                    await hub._server.stop(grace=0)  # No message to anyone, as after a kill.
                await feeding
                if number == 3:
                    await eventually(lambda: len(store.task_ids()) == 200 and len(store.lines()) == 2000)

    assert len(store.hellos) >= 4
    assert store.task_ids() == [f"t{n}" for n in range(200)]
    assert store.lines() == [line.text for line in log_batch(1, 2000).lines]


async def test_empty_store_is_refilled_from_the_journals(tmp_path: Path) -> None:
    """Section "Opening": a new store has different marks."""
    first, second = MemoryStore(store_id="first"), MemoryStore(store_id="second")
    async with hub_of(first) as hub:
        address = f"127.0.0.1:{hub.bound_port}"
        async with node_of(tmp_path, address) as node:
            await _feed(node, 0, 40)
            await eventually(lambda: len(first.task_ids()) == 40)
            hub.request_stop()
            await eventually(lambda: not node.uplink.is_connected)
            async with hub_of(second, address=address):
                await eventually(lambda: len(second.task_ids()) == 40 and len(second.lines()) == 400)

    assert second.entries == first.entries or sorted(map(str, second.entries)) == sorted(map(str, first.entries))


async def test_stop_of_the_parent_is_quick_and_the_node_reconnects(tmp_path: Path) -> None:
    store = MemoryStore()
    async with hub_of(store) as hub:
        address = f"127.0.0.1:{hub.bound_port}"
        async with node_of(tmp_path, address) as node:
            await eventually(lambda: node.uplink.is_connected)
            began = asyncio.get_running_loop().time()
            hub.request_stop()
            await eventually(lambda: not hub.connected)
            assert asyncio.get_running_loop().time() - began < 1.0
            async with hub_of(store, address=address):
                await eventually(lambda: len(store.hellos) == 2)


async def test_restored_data_folder_continues_under_a_new_journal_id(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The parent is ahead of a journal that was restored from a copy."""
    store = MemoryStore()
    async with hub_of(store) as hub:
        async with node_of(tmp_path, hub) as node:
            await node.send(status("a"))
            await eventually(lambda: store.task_ids() == ["a"])
        copy = {path.name: path.read_bytes() for path in (tmp_path / "master-1").iterdir()}
        async with node_of(tmp_path, hub) as node:
            await node.send(status("b"), status("c"))
            await eventually(lambda: len(store.task_ids()) == 3)
        for path in (tmp_path / "master-1").iterdir():
            path.unlink()
        for name, content in copy.items():
            (tmp_path / "master-1" / name).write_bytes(content)

        async with node_of(tmp_path, hub) as node:
            await node.send(status("d"))
            await eventually(lambda: store.task_ids() == ["a", "b", "c", "d"])
    assert "restored from a copy" in caplog.text


async def test_twenty_thousand_lines_arrive_once(tmp_path: Path) -> None:
    store = MemoryStore()
    async with hub_of(store) as hub, node_of(tmp_path, hub) as node:
        await eventually(lambda: node.uplink.is_connected)
        began = asyncio.get_running_loop().time()
        for first in range(1, 20_001, 500):
            await node.send(log_batch(first, 500))
        await eventually(lambda: len(store.lines()) >= 20_000)
        seconds = asyncio.get_running_loop().time() - began

    assert store.lines() == [line.text for line in log_batch(1, 20_000).lines]
    logging.getLogger(__name__).info("20,000 lines in %.2f s", seconds)


# Who may connect


def _said_by_the_uplink(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "nodes.stream.uplink.uplink"]


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("nonsense", "the token was refused: the token is malformed"),
        ("revoked:master-1", "the token was refused: the token was revoked"),
        ("edge:master-1", "a token of role edge cannot open a stream here"),
        ("web:master-1", "a token of role web cannot open a stream here"),
        ("master:somebody-else", "the token is for master 'somebody-else'"),
    ],
)
async def test_invalid_token_is_one_clear_line_and_no_stream(
    tmp_path: Path, token: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Section "Authentication"."""
    store = MemoryStore()
    async with hub_of(store) as hub, node_of(tmp_path, hub, token=token):
        # The hub logs the same, perhaps earlier.
        await eventually(lambda: any(words in line for line in _said_by_the_uplink(caplog)))

    # A write that fails as the stream ends may hide the status; the next try gets it (grpc/grpc#36066).
    lines = [line for line in _said_by_the_uplink(caplog) if "Internal error from Core" not in line]
    assert len(lines) == 1
    assert "next try in" in lines[0]
    assert not store.hellos
    assert not store.entries


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("127.0.0.1:1", "connection refused: nothing is listening there"),
        ("no-such-host.invalid:50051", "the host name"),
    ],
)
async def test_unreachable_leader_is_retried_and_logged(
    tmp_path: Path, target: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with node_of(tmp_path, target):
        await eventually(lambda: caplog.text.count(words) >= 2)

    assert "next try in" in caplog.text
    assert "Traceback" not in caplog.text


async def test_second_live_node_with_the_same_name_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Section "One stream per node"."""
    store = MemoryStore()
    duplicates: list[str] = []
    async with (
        hub_of(store, on_duplicate=lambda node_id, address: duplicates.append(node_id)) as hub,
        node_of(tmp_path / "one", hub) as first,
        node_of(tmp_path / "two", hub) as second,
    ):
        await eventually(lambda: duplicates)
        await eventually(lambda: "is already connected" in caplog.text)
        assert [first.uplink.is_connected, second.uplink.is_connected].count(True) == 1
        assert duplicates == ["master-1"]
    assert store.states == [("master-1", NodeState.ONLINE), ("master-1", NodeState.OFFLINE)]


async def test_node_replaces_its_dead_stream(tmp_path: Path) -> None:
    store = MemoryStore()
    async with hub_of(store, probe_seconds=0.1) as hub, node_of(tmp_path / "one", hub) as first:
        await eventually(lambda: first.uplink.is_connected)
        # A frozen process: its connection stays open, but nothing answers.
        first.uplink._client.session.receive = lambda message, now: []  # type: ignore[method-assign]
        async with node_of(tmp_path / "two", hub) as second:
            await eventually(lambda: second.uplink.is_connected)
            await eventually(lambda: len(hub.connected) == 1)
        first.uplink.request_stop()


async def test_revoked_node_is_disconnected_and_the_others_are_notified(tmp_path: Path) -> None:
    store = MemoryStore()
    async with hub_of(store) as hub, node_of(tmp_path, hub) as bad, node_of(tmp_path, hub, "master-2") as good:
        await eventually(lambda: len(hub.connected) == 2)

        hub.revoke(["id-of-master:master-1"])

        await eventually(lambda: not bad.uplink.is_connected)
        await eventually(lambda: "id-of-master:master-1" in good.uplink.node_file.revoked_token_ids)
        # The node knows that it was disconnected a moment before the hub has seen its stream end.
        await eventually(lambda: hub.connected == {"master-2"})
        assert good.uplink.is_connected


async def test_port_in_use_is_one_clear_error(tmp_path: Path) -> None:
    async with hub_of(MemoryStore()) as hub:
        with pytest.raises(ConfigError, match=rf"cannot listen on 127.0.0.1:{hub.bound_port}: the port is in use"):
            async with hub_of(MemoryStore(), address=f"127.0.0.1:{hub.bound_port}"):
                pass


async def test_link_loss_is_suspect_then_offline_then_online(tmp_path: Path) -> None:
    store = MemoryStore()
    async with (
        hub_of(store, offline_after_seconds=0.1) as hub,
        node_of(tmp_path, hub, first_delay_seconds=0.8, cap_delay_seconds=0.8) as node,
    ):
        await eventually(lambda: store.state_of("master-1") is NodeState.ONLINE)
        node.uplink._client._call.cancel()
        await eventually(lambda: len(store.states) == 4)

    online, suspect, offline = NodeState.ONLINE, NodeState.SUSPECT, NodeState.OFFLINE
    assert [state for _, state in store.states[:4]] == [online, suspect, offline, online]


async def test_round_trip_is_reported(tmp_path: Path) -> None:
    store = MemoryStore()
    async with hub_of(store) as hub, node_of(tmp_path, hub):
        await eventually(lambda: store.rtt_ms.get("master-1", 0) > 0)

        assert hub.link_rtt_ms("master-1") == store.rtt_ms["master-1"]


async def test_hub_accepts_only_its_roles(tmp_path: Path) -> None:
    store = MemoryStore()
    async with hub_of(store, accepts=frozenset({Role.EDGE})) as hub:
        async with node_of(tmp_path, hub, "edge-1", role=Role.EDGE) as edge:
            await eventually(lambda: edge.uplink.is_connected)
        assert store.peers[0].role is Role.EDGE


async def test_wrong_tokens_are_limited_per_address_and_a_known_node_is_not(tmp_path: Path) -> None:
    """Section "Identity"."""
    noted: list[tuple[str, str, str, str]] = []

    def on_refused(kind: str, /, *, address: str, result: str, reason: str = "") -> None:
        noted.append((kind, address, result, reason))

    async with hub_of(MemoryStore(), on_refused=on_refused) as hub:
        async with node_of(tmp_path / "before", hub) as node:
            await eventually(lambda: node.uplink.is_connected)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{hub.bound_port}") as channel:
            stub = NodeSyncStub(channel)
            endings = [await ending_of(stub, f"wrong {number}") for number in range(30)]
        codes = [code for code, _ in endings]
        assert codes == [grpc.StatusCode.UNAUTHENTICATED] * 20 + [grpc.StatusCode.RESOURCE_EXHAUSTED] * 10
        assert all(0 < int(wait) <= 3 for _, wait in endings[20:])
        assert noted[0][:3] == ("node-token", "127.0.0.1", "refused")
        assert noted[-1] == ("node-token", "127.0.0.1", "limited", "")
        assert len(noted) == 30

        async with node_of(tmp_path / "after", hub) as node:
            await eventually(lambda: node.uplink.is_connected)


async def ending_of(stub: NodeSyncStub, token: str) -> tuple[grpc.StatusCode, str]:
    """The status of a stream with this token, and its `retry-after`."""
    call = stub.Connect(metadata=metadata_with(token))
    code = await call.code()
    found = {key: value for key, value in await call.trailing_metadata() or ()}
    return code, str(found.get("retry-after", ""))
