"""A real Redis server on its own port, without persistence; tests kill and restart it."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

from tests.support.eventually import eventually_sync
from tests.support.processes import free_port


class RedisServer:
    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> RedisServer:
        program = shutil.which("redis-server")
        assert program, "redis-server is not installed"
        with (self._folder / "redis.log").open("ab") as log:
            self._child = subprocess.Popen(
                [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        eventually_sync(self._answers, 10, "Redis answers")
        return self

    def kill(self) -> None:
        """Sends SIGKILL and returns when it has exited."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
