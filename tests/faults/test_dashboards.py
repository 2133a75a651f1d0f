"""Dashboards that do not read, that never acknowledge, and five hundred that come back at once."""

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


@contextlib.contextmanager
def deaf(arena: Arena) -> Iterator[ClientConnection]:
    """It subscribes to everything and reads no more; its kernel takes little."""
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
    """The first is closed and costs little, the second costs little; whoever reads notices nothing of either."""
    tasks = [arena.start_task(node, "--pause", "0.02", "--burst", "40", "--pad", "200") for node in arena.agents]
    arena.wait_more_lines(*tasks, count=500)
    silent = arena.watchers.open(arena.cluster.websocket_url, arena.cluster.api_token, acks=False)
    arena.dashboards.append(silent)
    before = leader_rss(arena)
    peak = before
    closed = len(arena.dashboards[0].close_codes)

    def is_cut(peer: ClientConnection) -> bool:
        nonlocal peak
        peak = max(peak, leader_rss(arena))
        # Its own side reads nothing, so only the kernel tells: the other end is gone.
        return b"01" not in _tcp_states(peer)

    with deaf(arena) as reader:
        after = seconds_until(lambda: is_cut(reader), CLOSED_SECONDS, "the deaf one is cut off")
        record_property("cut off after", f"{after:.1f} s")
        record_property("Leader's memory meanwhile", f"{(peak - before) / (1 << 20):+.1f} MiB")

    assert silent.close_codes == []  # It reads: it may stay.
    assert len(arena.dashboards[0].close_codes) == closed
    arena.check()


def _tcp_states(peer: ClientConnection) -> bytes:
    """States of this connection in /proc/net/tcp; "01" is ESTABLISHED, seen from the server's end."""
    port = f":{peer.socket.getsockname()[1]:04X}"
    with open("/proc/net/tcp", "rb") as file:
        rows = [line.split() for line in file if port.encode() in line]
    return b" ".join(row[3] for row in rows if row[2].endswith(port.encode()))


def test_scenario_24_five_hundred_dashboards_come_back_at_once(arena: Arena, record_property: Record) -> None:
    count = 500
    task = arena.start_task("master-1", "--pause", "0.01")
    crowd = [
        arena.watchers.open(arena.cluster.websocket_url, arena.cluster.api_token, topics=("nodes", "tasks", "alerts"))
        for _ in range(count)
    ]
    eventually_sync(lambda: all(member.is_live for member in crowd), 60, "all are there")

    # Positions of another store: nobody can resume, everybody needs a snapshot.
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
    # One a second and scope at most; a snapshot lives for a second, so its position names it.
    assert len(positions) <= current + 2
    for member in crowd:
        arena.watchers.close(member)
    arena.let_end(task)
    arena.check()
