"""Dashboards that do not read, dashboards that never acknowledge, and five hundred that reconnect at once."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

from tests.faults.arena import Arena, seconds_until
from tests.support.eventually import eventually_sync

Record = Callable[[str, object], None]

CLOSED_SLOW = 4008
# docs/websocket.md: "closed within 30 s"; the rest is for a busy machine.
CLOSED_SECONDS = 60.0
MIB = 1 << 20
# The limits of the outbox and of the server's buffer (dashboard/live): the most that a blocked browser may cost.
MOST_BYTES_EACH = 2 * MIB
OF_EACH = 5  # Other changes of the Leader's memory are divided among them.


@contextlib.contextmanager
def deaf(arena: Arena) -> Iterator[ClientConnection]:
    """A client that subscribes to everything and then stops reading; its kernel buffer is small."""
    address = urlsplit(arena.cluster.websocket_url)
    assert address.hostname is not None
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    plain.connect((address.hostname, address.port))
    with connect(arena.cluster.websocket_url, sock=plain, max_queue=1, compression=None, ping_interval=None) as made:
        made.send(json.dumps({"type": "AUTH", "token": arena.cluster.api_token(), "batch": True}))
        made.send(json.dumps({"type": "SUBSCRIBE", "topics": ["nodes", "tasks", "alerts", "logs"]}))
        yield made


def leader_rss(arena: Arena) -> int:
    return arena.resources()["leader"].rss_bytes


def test_scenario_23_browsers_that_do_not_read_or_never_acknowledge(arena: Arena, record_property: Record) -> None:
    """The first are closed; both cost little and do not affect clients that read."""
    tasks = [arena.start_task(node, "--pause", "0.02", "--burst", "40", "--pad", "200") for node in arena.agents]
    arena.wait_more_lines(*tasks, count=500)
    before = peak = leader_rss(arena)
    silent = [
        arena.watchers.open(arena.cluster.websocket_url, arena.cluster.api_token, acks=False) for _ in range(OF_EACH)
    ]
    arena.dashboards += silent
    closed = len(arena.dashboards[0].close_codes)

    def are_cut(peers: list[ClientConnection]) -> bool:
        nonlocal peak
        peak = max(peak, leader_rss(arena))
        # The client does not read, so only the kernel shows that the other end is closed.
        return not any(b"01" in _tcp_states(peer) for peer in peers)

    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(deaf(arena)) for _ in range(OF_EACH)]
        after = seconds_until(lambda: are_cut(readers), CLOSED_SECONDS, "the clients that do not read are disconnected")
    each = (peak - before) / (2 * OF_EACH)
    record_property("cut off after", f"{after:.1f} s")
    record_property("Leader's memory meanwhile, for each", f"{each / MIB:+.2f} MiB")

    assert each <= MOST_BYTES_EACH
    assert [code for member in silent for code in member.close_codes] == []  # They read, so they stay connected.
    assert len(arena.dashboards[0].close_codes) == closed
    arena.check()


def _tcp_states(peer: ClientConnection) -> bytes:
    """States of this connection in /proc/net/tcp, seen from the server; "01" is ESTABLISHED."""
    port = f":{peer.socket.getsockname()[1]:04X}"
    with open("/proc/net/tcp", "rb") as file:
        rows = [line.split() for line in file if port.encode() in line]
    return b" ".join(row[3] for row in rows if row[2].endswith(port.encode()))


def test_scenario_24_five_hundred_dashboards_reconnect_at_once(arena: Arena, record_property: Record) -> None:
    count = 500
    task = arena.start_task("master-1", "--pause", "0.01")
    crowd = [
        arena.watchers.open(arena.cluster.websocket_url, arena.cluster.api_token, topics=("nodes", "tasks", "alerts"))
        for _ in range(count)
    ]
    eventually_sync(lambda: all(member.is_live for member in crowd), 60, "all are there")

    # Positions of another store: no client can resume, all need a snapshot.
    for member in crowd:
        member.forget_position()
    began = time.monotonic()
    for member in crowd:
        arena.watchers.cut(member)
    eventually_sync(lambda: all(member.is_live and member.connections > 1 for member in crowd), 60, "all are back")
    current = max(member.current_at for member in crowd) - began
    positions = {member.first_position for member in crowd}

    record_property("dashboards", count)
    record_property("all current after", f"{current:.1f} s")
    record_property("snapshots built", len(positions))
    # At most one snapshot per second and scope; it is shared for a second, so its position identifies it.
    assert len(positions) <= current + 2
    for member in crowd:
        arena.watchers.close(member)
    arena.let_end(task)
    arena.check()
