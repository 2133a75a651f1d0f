"""One Leader per data folder: a lock file, which also says where the Leader's pages are."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from nodes.errors import ConfigError


class LeaderRuns(ConfigError):
    """Another process holds the data folder's lock."""


@contextlib.contextmanager
def only_one_leader(data_dir: Path, *, url: str = "", probed: str = "") -> Iterator[None]:
    """Holds the data folder's lock; the kernel releases it however the process ends. Raises `LeaderRuns`.

    `url`: where a browser on this machine opens the pages; `probed`: where `/readyz` is on this machine.
    """
    path = _lock_path(data_dir)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror}") from exc
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = file.readline().strip()
            raise LeaderRuns(
                f"a Leader is already running on {data_dir}{f' (process {holder})' if holder else ''}; "
                "stop it, or set another AGENTFLOW_DATA_DIR"
            ) from exc
        file.truncate(0)
        file.write(f"{os.getpid()}\n{url}\n{probed}\n")
        file.flush()
        yield


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
