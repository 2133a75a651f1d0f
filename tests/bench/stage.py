"""Processes of the bench: the floor's server, measuring dashboards, pushing agents."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.support.cluster import Cluster, cluster
from tests.support.processes import REPOSITORY, free_port


class Helper:
    """A child that says "ready", works, and prints one JSON line when its standard input ends."""

    def __init__(self, module: str, *arguments: object) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", f"tests.bench.{module}", *map(str, arguments)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.wait_ready()

    def wait_ready(self) -> None:
        assert self._child.stdout
        line = self._child.stdout.readline()
        assert line.strip() == "ready", f"helper did not start: {line!r}"

    @property
    def pid(self) -> int:
        return self._child.pid

    def result(self, timeout: float = 120.0) -> dict[str, Any]:
        output, _ = self._child.communicate(timeout=timeout)
        return dict(json.loads(output.strip().splitlines()[-1]))

    def wait(self, timeout: float = 300.0) -> dict[str, Any]:
        """For helpers that exit by themselves."""
        assert self._child.stdout
        output = self._child.stdout.read()
        self._child.wait(timeout)
        return dict(json.loads(output.strip().splitlines()[-1]))

    def kill(self) -> None:
        self._child.kill()
        self._child.wait()


class FloorServer(Helper):
    def __init__(self, folder: Path) -> None:
        self.grpc_port, self.http_port = free_port(), free_port()
        super().__init__("floor", "serve", self.grpc_port, self.http_port, folder / "floor.sqlite3")

    @property
    def websocket_url(self) -> str:
        return f"ws://127.0.0.1:{self.http_port}/"


@contextlib.contextmanager
def floor_server(folder: Path) -> Iterator[FloorServer]:
    server = FloorServer(folder)
    try:
        yield server
    finally:
        server.kill()


@contextlib.contextmanager
def leader(folder: Path) -> Iterator[Cluster]:
    with cluster(folder) as made:
        made.env["AGENTFLOW_LOG_LEVEL"] = "WARNING"
        made.start_leader()
        yield made


def cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
