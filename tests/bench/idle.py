"""120 s idle: packets and bytes per link, CPU, and memory with ten agents and ten dashboards."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from tests.bench.figures import Figure
from tests.bench.stage import Helper, cpu_seconds, leader
from tests.support.tcpinfo import Connection, served_by

AGENTS = 10
DASHBOARDS = 10
SECONDS = 120
MIB = 1 << 20


def measure(folder: Path) -> list[Figure]:
    with leader(folder) as fleet:
        fleet.env["AGENTFLOW_HEARTBEAT_SECONDS"] = "30"
        fleet.processes["leader"].env["AGENTFLOW_HEARTBEAT_SECONDS"] = "30"
        fleet.processes["leader"].stop()
        fleet.start_leader()
        names = [f"agent-{number}" for number in range(AGENTS)]
        for name in names:
            fleet.start_agent("master", name)
        fleet.wait_online(*names, timeout=90)
        dashboards = Helper("dashboards", fleet.websocket_url, DASHBOARDS, fleet.api_token("viewer"))
        pid = fleet.processes["leader"].pid
        agents = [fleet.processes[name].pid for name in names]

        links, pages = served_by(fleet.grpc_port), served_by(fleet.http_port)
        cpu, agent_cpu = cpu_seconds(pid), sum(cpu_seconds(agent) for agent in agents)
        time.sleep(SECONDS)
        cpu, agent_cpu = cpu_seconds(pid) - cpu, sum(cpu_seconds(agent) for agent in agents) - agent_cpu
        figures = [
            *traffic("agent link", links, served_by(fleet.grpc_port)),
            *traffic("dashboard link", pages, served_by(fleet.http_port)),
            Figure(name="idle, CPU of the Leader", value=100 * cpu / SECONDS, unit="%"),
            Figure(name="idle, CPU of an agent", value=100 * agent_cpu / SECONDS / AGENTS, unit="%"),
            memory("memory of an agent, the largest", max(map(resident, agents)), 45),
            memory(f"memory of the Leader, {AGENTS} agents, {DASHBOARDS} dashboards", resident(pid), 130),
        ]
        dashboards.result()
    return figures


def traffic(name: str, before: dict[int, Connection], after: dict[int, Connection]) -> list[Figure]:
    kept = [(before[port], after[port]) for port in before if port in after]
    payload = sum(b.bytes_sent + b.bytes_received - a.bytes_sent - a.bytes_received for a, b in kept)
    packets = sum(b.segments_out + b.segments_in - a.segments_out - a.segments_in for a, b in kept)
    return [
        Figure(name=f"idle {SECONDS} s, {name}: payload", value=payload / len(kept), unit="B"),
        Figure(name=f"idle {SECONDS} s, {name}: packets", value=packets / len(kept), unit=""),
    ]


def resident(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss / MIB)


def memory(name: str, mib: float, limit: int) -> Figure:
    return Figure(name=name, value=mib, unit="MiB", aim=f"≤ {limit}", is_met=mib <= limit)
