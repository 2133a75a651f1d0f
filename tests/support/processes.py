"""Real processes for tests: started, watched through their log file, killed by their own process id."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.eventually import eventually_sync

REPOSITORY = Path(__file__).resolve().parents[2]


# Below the ephemeral ports: an outgoing connection could take the port of a server that is restarting. Each test
# worker has its own range.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw9").removeprefix("gw")) % 10
_RANGE = range(20_000 + 1_200 * _WORKER, 20_000 + 1_200 * (_WORKER + 1))
# Concurrent test runs start at different ports.
_ports = itertools.islice(itertools.cycle(_RANGE), os.getpid() % len(_RANGE), None)


def free_port() -> int:
    for port in itertools.islice(_ports, len(_RANGE)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


class Process:
    """One child process whose output goes to a log file, over restarts."""

    def __init__(self, name: str, argv: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.argv = list(argv)
        self.log_path = log
        self.env = {**os.environ, **(env or {})}
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._child is not None, f"{self.name} was never started"
        return self._child.pid

    @property
    def is_running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def start(self) -> Process:
        assert not self.is_running, f"{self.name} runs already"
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env, cwd=REPOSITORY
            )
        return self

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_for_log(self, text: str, timeout: float = 30.0) -> None:
        def seen() -> bool:
            if text in self.log():
                return True
            assert self.is_running, f"{self.name} ended with {self.wait()}:\n{self.log()[-4000:]}"
            return False

        eventually_sync(seen, timeout, f"{text!r} in the log of {self.name}")

    def signal(self, number: signal.Signals) -> None:
        if self.is_running:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Sends SIGKILL; the process has exited when this returns."""
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self, timeout: float = 15.0) -> int:
        """Sends SIGTERM and returns the exit code. Kills the process and raises if it does not stop in time."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop within {timeout} s:\n{self.log()[-4000:]}") from None

    def wait(self, timeout: float = 15.0) -> int:
        return 0 if self._child is None else self._child.wait(timeout)


def manage(*arguments: str, env: Mapping[str, str], timeout: float = 60.0) -> str:
    """Output of a one-shot `manage.py` command."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"manage.py {' '.join(arguments)}: {done.stdout}\n{done.stderr}"
    return done.stdout
