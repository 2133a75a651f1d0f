"""Space set aside for the words that count: on a full disk it is given up for the states that still come."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

logger = logging.getLogger(__name__)


class Reserve:
    """A file beside the journal that holds nothing but room. A size of 0 keeps none."""

    def __init__(self, path: Path, *, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self.restore()

    def release(self) -> bool:
        """Gives the room up; False when there is none."""
        if not self._size_bytes or not self._path.exists():
            return False
        self._path.unlink()
        logger.error("the disk is full: %d reserved bytes given up for states, make room soon", self._size_bytes)
        return True

    def restore(self) -> None:
        """Takes the room again once the disk has plenty; to fail is no error."""
        try:
            if not self._size_bytes or self._path.exists():
                return
            if shutil.disk_usage(self._path.parent).free < 4 * self._size_bytes:
                return
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._size_bytes)
            finally:
                os.close(descriptor)
        except OSError as exc:
            logger.warning("no space reserved for states: %s", exc)
            self._path.unlink(missing_ok=True)
