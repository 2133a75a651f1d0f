"""`make soak MINUTES=N`: mixed load on twenty agents that are disconnected or killed every 30 seconds.

    python -m tests.faults.soak MINUTES

Prints samples of the memory of every process, its slope, the latency of states, and violations; exits with 1 if there
are violations. Memory is sampled, never asserted: the slope is for the reader.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.bench.figures import percentile
from tests.bench.stage import Helper
from tests.faults.arena import Arena, arena_in
from tests.faults.load import Load
from tests.support.deaf import DeafClient
from tests.support.tcp_proxy import TcpProxy

AGENTS = 20
CUT_SECONDS = 30.0  # Interval per agent.
SAMPLE_SECONDS = 15.0
WARM_UP_SHARE = 0.25
MIB = 1 << 20


class Proxies:
    """One TCP proxy per agent, on a separate loop, to cut connections like a network failure."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies")
        self._servers: list[asyncio.Server] = []
        self._proxies: list[TcpProxy] = []
        self._thread.start()

    def open(self, target_port: int) -> TcpProxy:
        async def start() -> TcpProxy:
            proxy = TcpProxy(target_port)
            server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
            proxy.port = server.sockets[0].getsockname()[1]
            self._servers.append(server)
            self._proxies.append(proxy)
            return proxy

        return asyncio.run_coroutine_threadsafe(start(), self._loop).result(10)

    def cut(self, proxy: TcpProxy) -> None:
        asyncio.run_coroutine_threadsafe(proxy.aclose(), self._loop).result(10)

    def stop(self) -> None:
        async def end() -> None:
            for server in self._servers:
                server.close()
            for proxy in self._proxies:
                await proxy.aclose()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@dataclass
class Samples:
    """Memory of the processes that run during the whole soak."""

    began: float = field(default_factory=time.monotonic)
    rss_mib: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def take(self, processes: dict[str, int]) -> None:
        """Samples the Leader and the agents that are only disconnected: the others restart every 30 s."""
        at = time.monotonic() - self.began
        for name, pid in processes.items():
            if not is_killed(name):
                self.rss_mib.setdefault(name, []).append((at, psutil.Process(pid).memory_info().rss / MIB))

    def rows(self) -> Iterator[str]:
        yield f"{'memory, MiB':<12} {'first':>7} {'warm':>7} {'last':>7} {'max':>7} {'MB/h':>8}   samples"
        for name, points in self.rss_mib.items():
            warm = [point for point in points if point[0] >= WARM_UP_SHARE * points[-1][0]]
            values = [value for _, value in points]
            some = " ".join(f"{value:.0f}" for value in values[:: max(1, len(values) // 10)])
            yield (
                f"{name:<12} {values[0]:7.1f} {warm[0][1]:7.1f} {values[-1]:7.1f} {max(values):7.1f}"
                f" {slope(warm) * 3600:8.2f}   {some}"
            )


def is_killed(name: str) -> bool:
    """Whether this agent is killed (every other one); the rest are disconnected."""
    return name != "leader" and int(name[-2:]) % 2 == 1


def slope(points: list[tuple[float, float]]) -> float:
    """Least squares, per second."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


class Soak:
    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.proxies = Proxies()
        self.proxy_of: dict[str, TcpProxy] = {}
        self.samples = Samples()
        self.latencies: list[float] = []
        self.cuts = self.kills = self.slow_closed = 0

    def start(self) -> None:
        """Starts the Leader and the agents, each behind its own proxy."""
        arena = self.arena
        arena.cluster.env["AGENTFLOW_LOG_LEVEL"] = "WARNING"
        arena.start_leader()
        for number in range(1, AGENTS + 1):
            name = f"agent-{number:02}"
            self.proxy_of[name] = self.proxies.open(arena.cluster.grpc_port)
            arena.start_master(name, parent=f"127.0.0.1:{self.proxy_of[name].port}")
            print(f"\rstarting agent {number} of {AGENTS}", end="", file=sys.stderr, flush=True)
            if number % 4 == 0:  # Starting all at once would be slower.
                arena.cluster.wait_online(*arena.agents, timeout=120)
        print(file=sys.stderr)
        arena.ready()

    def run(self, minutes: float) -> list[str]:
        """Returns the violations. Latencies are measured by bench helpers: an agent that stamps states, a dashboard."""
        arena = self.arena
        token = arena.cluster.api_token("viewer")
        names = arena.agents
        for name in names[:6]:
            arena.start_task(name, "--pause", "0.05")
        # Once a minute, print more lines at once than the rate limit allows.
        arena.start_task(names[6], "--pause", "60", "--burst", "40000", "--pad", "20")
        slow = SlowBrowser(arena.cluster.http_port, token)
        dashboards = Helper("dashboards", arena.cluster.websocket_url, 1, token)
        stater = Helper(
            "agents", "states", arena.cluster.data_dir, arena.cluster.grpc_port, arena.folder, int(minutes * 60 * 5), 5
        )
        with Load(arena, names[:6], pause_seconds=0.5), slow:
            self._disturb(minutes * 60)
        self.slow_closed = slow.closed
        stater.wait(timeout=120)
        self.latencies = dashboards.result()["latencies"]
        try:
            arena.check()
        except AssertionError as exc:
            return str(exc).splitlines()
        return []

    def _disturb(self, seconds: float) -> None:
        names = itertools.cycle(self.arena.agents)
        dashboards = self.arena.dashboards
        end = time.monotonic() + seconds
        next_cut = next_sample = time.monotonic()
        while (now := time.monotonic()) < end:
            if now >= next_sample:
                next_sample += SAMPLE_SECONDS
                self.samples.take({name: process.pid for name, process in self.arena.cluster.processes.items()})
                print(f"\r{end - now:6.0f} s to go", end="", file=sys.stderr, flush=True)
            if now >= next_cut:
                next_cut += CUT_SECONDS / AGENTS
                self._hit(next(names))
                if len(dashboards) > 5:  # One leaves, one joins.
                    self.arena.watchers.close(dashboards.pop(1))
                self.arena.watch()
            time.sleep(max(0.0, min(next_cut, next_sample, end) - time.monotonic()))
        print(file=sys.stderr)

    def _hit(self, name: str) -> None:
        if is_killed(name):
            self.kills += 1
            self.arena.kill(name)
            self.arena.cluster.processes[name].start()
        else:
            self.cuts += 1
            self.proxies.cut(self.proxy_of[name])


class SlowBrowser:
    """Opens a dashboard, subscribes to everything, never reads, and reconnects when it is closed."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slow-browser")
        self.closed = 0

    def __enter__(self) -> SlowBrowser:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._stop.set()
        self._thread.join(40)

    def _run(self) -> None:
        while not self._stop.is_set():
            deaf = DeafClient(self._port, self._token, topics=["tasks", "logs"])
            with contextlib.closing(deaf.socket):
                while deaf.is_open and not self._stop.wait(1.0):
                    pass
                self.closed += not deaf.is_open


def main(minutes: float) -> int:
    with tempfile.TemporaryDirectory(prefix="agentflow-soak-") as folder, arena_in(Path(folder) / "arena") as arena:
        soak = Soak(arena)
        try:
            soak.start()
            violations = soak.run(minutes)
        except Exception:  # noqa: BLE001 - printed, and counted as a violation
            violations = traceback.format_exc().splitlines()
        finally:
            soak.proxies.stop()
        report(soak, minutes, violations)
    return 1 if violations else 0


def report(soak: Soak, minutes: float, violations: list[str]) -> None:
    print(f"\nsoak of {minutes:g} min: {AGENTS} agents, {soak.kills} kills, {soak.cuts} cuts")
    for row in soak.samples.rows():
        print(row)
    if soak.latencies:
        p50, p99 = percentile(soak.latencies, 0.5), percentile(soak.latencies, 0.99)
        print(f"state latency: p50 {p50:.1f} ms, p99 {p99:.1f} ms over {len(soak.latencies)} states")
    print(f"the slow browser was closed {soak.slow_closed} times")
    print(f"violations: {len(violations)}")
    for violation in violations:
        print(f"  {violation}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    sys.exit(main(float(re.sub(r"[^\d.]", "", sys.argv[1]) or 20)))
