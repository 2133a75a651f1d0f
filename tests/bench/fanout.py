"""CPU of the server per frame delivered to 200 dashboards, compared with a bare ASGI send on Daphne."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from tests.bench.figures import Figure, at_most
from tests.bench.floor import RATE
from tests.bench.stage import Helper, cpu_seconds, floor_server, leader

DASHBOARDS = 200
EVENTS = 300


def measure(folder: Path) -> list[Figure]:
    with floor_server(folder) as server:
        dashboards = Helper("dashboards", server.websocket_url, DASHBOARDS, "-")
        before = cpu_seconds(server.pid)
        urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/?count={EVENTS}", timeout=120).read()
        spent = cpu_seconds(server.pid) - before
        bare = spent / dashboards.result()["frames"] * 1e6
    with leader(folder) as fleet:
        pid = fleet.processes["leader"].pid

        def spend() -> float:
            before = cpu_seconds(pid)
            Helper("agents", "states", fleet.data_dir, fleet.grpc_port, folder, EVENTS, RATE).wait()
            return cpu_seconds(pid) - before

        unseen = spend()
        dashboards = Helper("dashboards", fleet.websocket_url, DASHBOARDS, fleet.api_token("viewer"))
        spent = spend()
        frames = dashboards.result()["frames"]
    return [
        at_most("fan-out, CPU per frame", (spent - unseen) / frames * 1e6, "µs", times=1.5, floor=bare),
        Figure(name="fan-out, CPU per event without subscribers", value=unseen / EVENTS * 1e6, unit="µs"),
    ]
