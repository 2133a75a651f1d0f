"""The Leader's term: grows at every start and above what any node has seen, so that an older Leader is not obeyed.

Beside it lies how far the last Leader's feed had come: a database that stands before that is another one, a backup say.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from nodes.errors import ConfigError
from nodes.stream.identity.secret_files import replace_secret

logger = logging.getLogger(__name__)


class Epoch:
    """Kept in files of the data folder, outside the database: a restored one must not bring an old term back."""

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
        """What the last Leader on this folder left, before this one began."""
        return self._found

    @property
    def found_feed_seq(self) -> int:
        """The last feed number that the last Leader on this folder is known to have committed."""
        return self._found_feed_seq

    def feed_reached(self, seq: int) -> None:
        """Called after each commit, by one thread. Not synced: a kill costs nothing, a power cut at most says less."""
        if seq == self._feed_seq:
            return
        try:
            if self._feed_file is None:
                self._feed_file = os.open(self._feed_path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.pwrite(self._feed_file, f"{seq:020}\n".encode(), 0)
        except OSError as exc:
            logger.warning("%s cannot be written: %s; a backup put back now may not be noticed", self._feed_path, exc)
        self._feed_seq = seq

    def close(self) -> None:
        if self._feed_file is not None:
            os.close(self._feed_file)
            self._feed_file = None

    def advance(self) -> int:
        """Begins the next term; on disk before it returns. Raises `ConfigError` when it cannot be written."""
        return self._move_to(self._value + 1)

    def rise_above(self, seen: int) -> int:
        """Moves above a term that a node has seen, if it is higher than this one."""
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
        raise ConfigError(f"{path} must hold one number: {exc}") from exc
