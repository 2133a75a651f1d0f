"""With nothing happening, the links carry the heartbeat and nothing else (mission P10)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.cluster import HEARTBEAT_SECONDS, Cluster, cluster
from tests.support.tcpinfo import Connection, served_by

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WINDOW_SECONDS = 4 * HEARTBEAT_SECONDS
# HTTP/2 frames (RFC 9113): 9 bytes of header; a PING has 8 more. gRPC puts 5 bytes before a message.
HTTP2_PING = 17


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    with cluster(tmp_path_factory.mktemp("quiet")) as made:
        made.start_leader()
        made.start_agent("master", "master-1")
        made.wait_online("master-1")
        yield made  # type: ignore[misc]


def grown(before: Connection, after: Connection) -> tuple[int, int]:
    sent = after.bytes_sent - before.bytes_sent
    received = after.bytes_received - before.bytes_received
    return sent + received, (after.segments_out - before.segments_out) + (after.segments_in - before.segments_in)


def test_idle_agent_link_carries_only_the_heartbeat(quiet: Cluster) -> None:
    ((port, before),) = served_by(quiet.grpc_port).items()

    # A window on purpose: silence can only be seen over time. Metrics may come once in it, when the machine is busy.
    time.sleep(WINDOW_SECONDS)

    payload, packets = grown(before, served_by(quiet.grpc_port)[port])
    beats = WINDOW_SECONDS / HEARTBEAT_SECONDS
    print(f"{payload} bytes, {packets} packets in {WINDOW_SECONDS} s")
    # Both directions of Ping/Pong and of HTTP/2 PING, one more at the edge of the window.
    assert packets <= (beats + 1) * 12
    assert payload <= (beats + 1) * 4 * (HTTP2_PING + 40)


def test_agent_without_django_is_small(quiet: Cluster) -> None:
    status = Path(f"/proc/{quiet.processes['master-1'].pid}/status").read_text()

    resident_kb = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
    print(f"agent: {resident_kb / 1024:.1f} MiB")
    assert "django" not in Path(f"/proc/{quiet.processes['master-1'].pid}/maps").read_text()
