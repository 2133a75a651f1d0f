"""Task state change → browser, at 50 events a second with ten dashboards: first the floor, then the product."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.bench.figures import Figure, at_most, percentile
from tests.bench.stage import Helper, floor_server, leader
from tests.support.processes import REPOSITORY

DASHBOARDS = 10
RATE = 50
EVENTS = 500
ROUNDS = 3


def measure(folder: Path) -> list[Figure]:
    floor_latencies: list[float] = []
    latencies: list[float] = []
    with floor_server(folder) as server, leader(folder) as fleet:
        for _ in range(ROUNDS):
            dashboards = Helper("dashboards", server.websocket_url, DASHBOARDS, "-")
            sender = [sys.executable, "-m", "tests.bench.floor", "send", str(server.grpc_port), str(EVENTS), str(RATE)]
            subprocess.run(sender, cwd=REPOSITORY, check=True)
            floor_latencies += dashboards.result()["latencies"]

            dashboards = Helper("dashboards", fleet.websocket_url, DASHBOARDS, fleet.api_token("viewer"))
            agent = Helper("agents", "states", fleet.data_dir, fleet.grpc_port, folder, EVENTS, RATE)
            agent.wait()
            latencies += dashboards.result()["latencies"]
    expected = ROUNDS * DASHBOARDS * EVENTS
    return [
        at_most("push p50", percentile(latencies, 0.5), "ms", times=3, floor=percentile(floor_latencies, 0.5)),
        at_most("push p99", percentile(latencies, 0.99), "ms", times=5, floor=percentile(floor_latencies, 0.99)),
        Figure(
            name="push, messages that arrived",
            value=len(latencies),
            unit="",
            aim=f"= {expected:,}",
            is_met=len(latencies) == expected,
        ),
    ]
