"""Idle links carry only the heartbeat."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.agents import Agent
from tests.support.cluster import HEARTBEAT_SECONDS, Cluster, cluster
from tests.support.tcpinfo import served_by

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

BEATS = 4
# A Ping and its Pong: 44 bytes down, 42 up; HTTP/2 DATA frames plus gRPC's flow control.
BEAT_BYTES = 44 + 42
# Down, up, and the TCP acknowledgement that neither could carry.
BEAT_PACKETS = 3


@pytest.fixture
def leader(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path) as made:
        made.start_leader()
        yield made


async def test_idle_agent_link_carries_only_the_heartbeat(leader: Cluster, tmp_path: Path) -> None:
    """A real journal and uplink without a metrics collector, which has much to report on a busy test machine."""
    agent = Agent(leader.data_dir, leader.grpc_port, tmp_path, "quiet-1")
    async with asyncio.TaskGroup() as group:
        await agent.connect(group)
        # Real waits: silence can only be measured over time. The first one lets the opening finish.
        await asyncio.sleep(HEARTBEAT_SECONDS + 1)
        ((port, before),) = served_by(leader.grpc_port).items()
        await asyncio.sleep(BEATS * HEARTBEAT_SECONDS)
        after = served_by(leader.grpc_port)[port]
        await agent.stop()

    payload = after.bytes_sent + after.bytes_received - before.bytes_sent - before.bytes_received
    packets = after.segments_out + after.segments_in - before.segments_out - before.segments_in
    # The window may contain one heartbeat more or less.
    assert payload in [beats * BEAT_BYTES for beats in (BEATS - 1, BEATS, BEATS + 1)]
    assert packets <= (BEATS + 1) * (BEAT_PACKETS + 1)
