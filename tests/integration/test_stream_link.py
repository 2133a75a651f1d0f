"""The link itself: traffic when idle, how soon a dead one is noticed, TLS, and clients of the base protocol."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from nodes.domain.states import NodeState
from nodes.stream.hub.hub import Hub
from nodes.stream.uplink.uplink import UplinkRefused
from nodes.stream.wire.limits import MAX_MESSAGE_BYTES
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from nodes.stream.wire.v1.node_sync_pb2_grpc import NodeSyncStub
from tests.support.delivery import MemoryStore, Node, hub_of, node_of, status
from tests.support.eventually import eventually
from tests.support.tcp_proxy import proxy_to


@pytest.mark.slow
async def test_idle_link_carries_the_heartbeat_and_nothing_else(tmp_path: Path) -> None:
    """Section "Heartbeat"."""
    async with (
        hub_of(MemoryStore(), heartbeat_seconds=5.0) as hub,
        proxy_to(hub.bound_port) as proxy,
        node_of(tmp_path, f"127.0.0.1:{proxy.port}", heartbeat_seconds=5.0) as node,
    ):
        await eventually(lambda: node.uplink.is_connected)
        await asyncio.sleep(1.0)  # The last messages of the opening.
        proxy.reset_counts()

        await asyncio.sleep(10.5)  # Two heartbeats.

        # Ping, Pong, and their HTTP/2 frames.
        assert 4 <= proxy.chunks["up"] + proxy.chunks["down"] <= 10, proxy.chunks
        assert proxy.size_bytes["up"] + proxy.size_bytes["down"] < 300, proxy.size_bytes


@pytest.mark.slow
async def test_dead_link_is_noticed_on_both_ends_and_recovers(tmp_path: Path) -> None:
    """No end of file, no reset, only silence: noticed after heartbeat + 10 s at the latest."""
    store = MemoryStore()
    async with (
        hub_of(store, heartbeat_seconds=5.0, offline_after_seconds=1.0) as hub,
        proxy_to(hub.bound_port) as proxy,
        node_of(tmp_path, f"127.0.0.1:{proxy.port}", heartbeat_seconds=5.0) as node,
    ):
        await eventually(lambda: node.uplink.is_connected)
        await asyncio.sleep(0.2)
        proxy.is_frozen = True
        await node.send(status("t1"))

        await eventually(lambda: not node.uplink.is_connected, timeout=15.5)
        await eventually(lambda: store.state_of("master-1") is NodeState.OFFLINE, timeout=15.5)
        proxy.is_frozen = False
        await eventually(lambda: store.task_ids() == ["t1"], timeout=15)
        await eventually(lambda: store.state_of("master-1") is NodeState.ONLINE)


@pytest.mark.slow
async def test_frozen_base_client_is_noticed_by_keepalive(tmp_path: Path) -> None:
    """Pins the undocumented ping timeout: without it, this takes over a minute."""
    async with (
        hub_of(MemoryStore(), heartbeat_seconds=5.0) as hub,
        proxy_to(hub.bound_port) as proxy,
        base_client(proxy.port, "master-9") as call,
    ):
        await call.write(BASE_STATUS)
        await eventually(lambda: hub.connected)
        proxy.is_frozen = True

        await eventually(lambda: not hub.connected, timeout=14.0)


# Base clients

BASE_STATUS = pb.NodeUpdate(
    node_id="master-9",
    timestamp=1,
    task_update=pb.TaskStatusUpdate(task_id="t1", state=pb.TASK_STATE_RUNNING, progress=0.5),
)


@asynccontextmanager
async def base_client(port: int, node_id: str, token: str = "") -> AsyncIterator[grpc.aio.StreamStreamCall]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = NodeSyncStub(channel).Connect(metadata=(("authorization", f"Bearer {token or 'master:' + node_id}"),))
        try:
            yield call
        finally:
            call.cancel()


async def test_base_client_is_served(tmp_path: Path) -> None:
    """Section "Clients that know only the base messages"."""
    store = MemoryStore()
    async with hub_of(store) as hub:
        async with base_client(hub.bound_port, "master-9") as call:
            await call.write(BASE_STATUS)
            await call.write(pb.NodeUpdate(node_id="master-9", metrics=pb.SystemMetrics(cpu_percent=3)))
            await call.write(pb.NodeUpdate(node_id="master-9", alert=pb.StallAlert(task_id="t1", reason="quiet")))
            await eventually(lambda: len(store.ephemeral) == 3)
            assert store.peers[0].is_base
            await eventually(lambda: store.state_of("master-9") is NodeState.ONLINE)

            hub.send("master-9", pb.LeaderCommand(command_id="c1", task_request=pb.TaskRequest(task_id="t2")))
            command = await call.read()

            assert (command.command_id, command.task_request.task_id) == ("c1", "t2")
        await eventually(lambda: store.state_of("master-9") is NodeState.SUSPECT)


async def test_newer_base_client_takes_the_place_of_the_older(tmp_path: Path) -> None:
    """It cannot be probed, and a lost connection must not lock it out."""
    store = MemoryStore()
    async with hub_of(store) as hub, base_client(hub.bound_port, "master-9") as older:
        await older.write(BASE_STATUS)
        await eventually(lambda: hub.connected)
        async with base_client(hub.bound_port, "master-9") as newer:
            await newer.write(BASE_STATUS)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await older.read()
            assert caught.value.code() is grpc.StatusCode.ABORTED
            assert hub.connected == {"master-9"}


async def _refusal(hub: Hub, *updates: pb.NodeUpdate, token: str = "") -> tuple[grpc.StatusCode, str]:
    async with base_client(hub.bound_port, "master-9", token) as call:
        try:
            for update in updates:
                await call.write(update)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass  # Already ended.
        code, details = await call.code(), await call.details()
    return code, details or ""


async def test_protocol_errors_end_the_stream_with_a_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    hello = pb.NodeUpdate(hello=pb.Hello(protocol_version=9, name="master-9", role="master"))
    oversize = pb.NodeUpdate(alert=pb.StallAlert(reason="x" * (MAX_MESSAGE_BYTES + 1)))
    async with hub_of(store) as hub, node_of(tmp_path, hub, "somebody") as node:
        await eventually(lambda: node.uplink.is_connected)

        code, _ = await _refusal(hub, BASE_STATUS, token="nonsense")
        assert code is grpc.StatusCode.UNAUTHENTICATED
        assert (await _refusal(hub, pb.NodeUpdate(pong=pb.Pong())))[0] is grpc.StatusCode.ABORTED
        assert await _refusal(hub, hello) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "the node uses version 9, this hub 1",
        )
        assert (await _refusal(hub, oversize))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED

        # Other nodes are not affected.
        await node.send(status("t1"))
        await eventually(lambda: store.task_ids() == ["t1"])
    assert "Traceback" not in caplog.text


async def test_a_client_that_breaks_off_leaves_one_line_and_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It goes away while commands are being sent to it: the library fails the write before it cancels the call."""
    caplog.set_level(logging.INFO)
    command = pb.LeaderCommand(command_id="c", task_request=pb.TaskRequest(task_id="t2", argv=["x" * 400_000]))
    async with hub_of(MemoryStore()) as hub:
        for _ in range(5):
            async with base_client(hub.bound_port, "master-9") as call:
                await call.write(BASE_STATUS)
                await eventually(lambda: hub.connected)
                # More than the client's window holds, as it reads nothing: a write waits when the client goes.
                while hub.send("master-9", command):
                    await asyncio.sleep(0)
            await eventually(lambda: not hub.connected)

    assert "the node broke the stream off" in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_stream_above_the_limit_is_refused_with_a_reason() -> None:
    async with hub_of(MemoryStore(), max_streams=1) as hub:
        async with base_client(hub.bound_port, "master-1") as first:
            await first.write(pb.NodeUpdate(metrics=pb.SystemMetrics()))
            await eventually(lambda: hub.connected)

            assert await _refusal(hub, BASE_STATUS) == (
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "the hub has 1 streams, which is its limit; try later",
            )
        await eventually(lambda: not hub.connected)
        async with base_client(hub.bound_port, "master-9") as call:
            await call.write(BASE_STATUS)
            await eventually(lambda: hub.connected == {"master-9"})


# TLS and strangers


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ),
            *("-keyout", str(key), "-out", str(cert), "-subj", "/CN=leader.test"),
            *("-addext", "subjectAltName=DNS:leader.test,IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


async def test_tls_with_an_own_authority(
    tmp_path: Path, certificate: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    cert, key = certificate
    async with hub_of(MemoryStore(), tls_cert_file=cert, tls_key_file=key) as hub:
        async with node_of(tmp_path, hub, ca_file=cert) as node:
            await eventually(lambda: node.uplink.is_connected)
        async with node_of(tmp_path, hub, "master-2", tls=True):
            await eventually(lambda: "the certificate is not signed by a known authority" in caplog.text)
        async with node_of(tmp_path, hub, "master-3"):  # Plain text to a TLS port.
            await eventually(lambda: "nodes.stream.uplink.uplink" in caplog.text and "master-3" not in hub.connected)


async def test_server_that_is_not_a_hub_ends_the_service(tmp_path: Path) -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    node = Node(tmp_path, f"127.0.0.1:{port}")

    with pytest.raises(UplinkRefused, match="not an AgentFlow hub"):
        await node.uplink.run()

    await node.aclose()
    await server.stop(None)
