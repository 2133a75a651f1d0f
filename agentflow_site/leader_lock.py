"""One Leader per data folder: a lock file, which also says where the Leader's pages are and which term it held."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from nodes.errors import ConfigError, LeaderRuns

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class LeaderLock:
    """The lock, held by this process.

    Its file has five lines: process, address of the pages, address of `/readyz`, place, term's holder.
    """

    def __init__(self, file: TextIO, url: str, probed: str) -> None:
        self._file = file
        self._url = url
        self._probed = probed
        before = file.read().splitlines()
        is_from_here = len(before) == 5 and before[3] == self._place
        # The term's holder (`nodes.leader.projection.term`) that ran on this folder before and is known to have ended:
        # it had this lock. Empty if a copy of the folder may still be in use, or the machine has been restarted since.
        self.dead_holder = before[4] if is_from_here else ""
        self._write(self.dead_holder)  # Kept, in case that this start fails as well.

    def note_holder(self, holder: str) -> None:
        """This process holds the term under this name."""
        self._write(holder)

    @property
    def _place(self) -> str:
        """This very file on this machine: the lock of a copy of the folder is another one."""
        status = os.fstat(self._file.fileno())
        boot_id = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else ""
        return f"{boot_id} {status.st_dev} {status.st_ino}"

    def _write(self, holder: str) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.write(f"{os.getpid()}\n{self._url}\n{self._probed}\n{self._place}\n{holder}\n")
        self._file.flush()


@contextlib.contextmanager
def only_one_leader(data_dir: Path, *, url: str = "", probed: str = "") -> Iterator[LeaderLock]:
    """Holds the data folder's lock; the kernel releases it however the process ends. Raises `LeaderRuns`.

    `url`: where a browser on this machine opens the pages; `probed`: where `/readyz` is on this machine.
    """
    path = _lock_path(data_dir)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror}") from exc
    with os.fdopen(descriptor, "r+", errors="replace") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = file.readline().strip()
            raise LeaderRuns(
                f"a Leader is already running on {data_dir}{f' (process {holder})' if holder else ''}; "
                "stop it, or set another AGENTFLOW_DATA_DIR"
            ) from exc
        yield LeaderLock(file, url, probed)


def running_url(data_dir: Path) -> str:
    """The address of the pages of the Leader that runs on this folder; empty if there is none."""
    return _line_of_running(data_dir, 1)


def probed_url(data_dir: Path) -> str:
    """The address at which that Leader answers `/readyz`, also behind a proxy; empty if it serves no pages."""
    return _line_of_running(data_dir, 2)


def _line_of_running(data_dir: Path, number: int) -> str:
    try:
        pid, *more = _lock_path(data_dir).read_text().splitlines()
        line = more[number - 1]
    except (OSError, ValueError, IndexError):
        return ""  # No Leader of this version has run here yet, or the file cannot be read.
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return line  # It runs as another user.
    except (OSError, ValueError):
        return ""  # It has stopped.
    return line


def _lock_path(data_dir: Path) -> Path:
    return data_dir / "leader.lock"
