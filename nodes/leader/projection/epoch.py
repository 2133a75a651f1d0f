"""The Leader's epoch: grows at every start and above any epoch that a node has seen, so nodes ignore older Leaders.

Next to it is the last Leader's newest feed number: a database with a lower one is a different one, such as a backup.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from nodes.errors import ConfigError
from nodes.stream.identity.secret_files import replace_secret

logger = logging.getLogger(__name__)


class Epoch:
    """Stored in files of the data folder, outside the database: restoring a backup must not restore an old epoch."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._value = self._found = _read(path)
        self._feed_path = path.with_name("feed")
        self._feed_seq = self._found_feed_seq = _read(self._feed_path)
        self._feed_file: int | None = None

    @property
    def value(self) -> int:
        return self._value

    @property
    def found(self) -> int:
        """The epoch of the previous Leader on this folder."""
        return self._found

    @property
    def found_feed_seq(self) -> int:
        """The newest feed number known to be committed by the previous Leader on this folder."""
        return self._found_feed_seq

    def feed_reached(self, seq: int) -> None:
        """Called after each commit, by one thread. Not synced: after a power cut the number may be too low."""
        if seq == self._feed_seq:
            return
        try:
            if self._feed_file is None:
                self._feed_file = os.open(self._feed_path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.pwrite(self._feed_file, f"{seq:020}\n".encode(), 0)
        except OSError as exc:
            logger.warning("cannot write %s: %s; restoring a backup now may go unnoticed", self._feed_path, exc)
        self._feed_seq = seq

    def close(self) -> None:
        if self._feed_file is not None:
            os.close(self._feed_file)
            self._feed_file = None

    def begin(self, term: int) -> int:
        """Starts the epoch of a new term, which is on disk when this returns. Raises `ConfigError` if that fails."""
        return self._move_to(max(term, self._value + 1))

    def rise_above(self, seen: int) -> int:
        """Moves above `seen`, an epoch that a node has seen, if it is higher than this one."""
        return self._move_to(seen + 1) if seen > self._value else self._value

    def _move_to(self, value: int) -> int:
        replace_secret(self._path, f"{value}\n".encode())
        self._value = value
        return value


def _read(path: Path) -> int:
    try:
        return int(path.read_text())
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{path} must contain a single number: {exc}") from exc
