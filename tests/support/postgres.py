"""A real PostgreSQL server for tests, on a Unix socket in its own folder, without fsync.

`python -m tests.support.postgres COMMAND…` runs a command whose Django uses such a server.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import psutil
import psycopg
from django.conf import settings

from tests.support.eventually import eventually_sync

# The database that the Django of `python -m tests.support.postgres COMMAND…` has in its settings; tests make their own.
BASE = "agentflow"
_OWNER = "agentflow"
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_connections=200")


class PostgresServer:
    """Starts in under a second; the folder goes away with `stop`."""

    def __init__(self) -> None:
        # The path of a Unix socket has at most 107 characters, and the server refuses to run as root.
        self.folder = Path(tempfile.mkdtemp(prefix="agentflow-pg-"))
        self._child: subprocess.Popen[bytes] | None = None
        self._as_owner: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
            self._as_owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]

    def __enter__(self) -> PostgresServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def url(self, name: str = BASE) -> str:
        """As `DATABASE_URL` has it."""
        return f"postgres://{_OWNER}@{quote(str(self.folder), safe='')}/{name}"

    def start(self) -> PostgresServer:
        data = self.folder / "data"
        if not data.exists():
            # C.UTF-8 sorts like SQLite does: by code point.
            options = ["--no-sync", "--no-instructions", f"--username={_OWNER}", "--auth=trust", "--locale=C.UTF-8"]
            subprocess.run(
                [*self._as_owner, _program("initdb"), f"--pgdata={data}", *options],
                check=True,
                stdout=subprocess.DEVNULL,
                cwd=self.folder,
            )
        flags = ("listen_addresses=", f"unix_socket_directories={self.folder}", *_FAST)
        with (self.folder / "log").open("ab") as log:
            self._child = subprocess.Popen(
                # It ends with this process, however that ends.
                [
                    *(self._as_owner or ["setpriv"]),
                    "--pdeathsig=QUIT",
                    "--",
                    _program("postgres"),
                    f"-D{data}",
                    *(word for flag in flags for word in ("-c", flag)),
                ],
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        eventually_sync(self._answers, 30, "PostgreSQL answers")
        return self

    def kill(self) -> None:
        """Ends it as a crash does; `start` starts it again on the same data."""
        if self._child is not None:
            self._child.send_signal(signal.SIGQUIT)
            self._child.wait()
            self._child = None

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def execute(self, statement: str, *, database: str = "postgres") -> list[tuple[object, ...]]:
        """Runs one statement and returns its rows."""
        with psycopg.connect(self.url(database).replace("postgres:", "postgresql:", 1), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def _answers(self) -> bool:
        assert self._child is not None
        assert self._child.poll() is None, (self.folder / "log").read_text()
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def frozen() -> Iterator[None]:
    """No process of the server in Django's settings runs meanwhile; its sockets stay open.

    Other workers use the same server: only for moments.
    """
    folder = Path(settings.DATABASES["default"]["HOST"])
    postmaster = psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0]))
    stopped = []
    try:
        for process in (postmaster, *postmaster.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # Another worker's connection may have ended meanwhile.
                process.suspend()
                stopped.append(process)
        yield
    finally:
        for process in stopped:
            process.resume()


def _program(name: str) -> str:
    """On Debian the server's programs are in no one's PATH."""
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None
    )
    assert found, f"{name} is not installed: run tests/install-tools.sh"
    return found


def main() -> int:
    with PostgresServer() as server:
        server.execute(f"CREATE DATABASE {BASE}")
        return subprocess.run(sys.argv[1:], env={**os.environ, "DATABASE_URL": server.url()}).returncode


if __name__ == "__main__":
    sys.exit(main())
