"""Space set aside for the words that count: on a full disk it is given up for the states that still come."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

_STEP_BYTES = 64 * 1024

logger = logging.getLogger(__name__)


class Reserve:
    """A file beside the journal that holds nothing but room. A size of 0 keeps none."""

    def __init__(self, path: Path, *, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self.restore()

    def release(self) -> bool:
        """Gives some of the room up; False when there is none left. Little at once: others want it, too."""
        try:
            held = self._held_bytes()
            if not held:
                return False
            left = max(held - _STEP_BYTES, 0)
            os.truncate(self._path, left)
        except OSError as exc:
            logger.warning("the space reserved for states cannot be given up: %s", exc)
            return False
        logger.error("the disk is full: reserved bytes given up for states, %d left; make room soon", left)
        return True

    def restore(self) -> None:
        """Takes the room again once the disk has plenty; to fail is no error."""
        try:
            if self._held_bytes() == self._size_bytes:
                return
            if shutil.disk_usage(self._path.parent).free < 4 * self._size_bytes:
                return
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._size_bytes)
            finally:
                os.close(descriptor)
        except OSError as exc:
            logger.warning("less space than wanted is reserved for states: %s", exc)

    def _held_bytes(self) -> int:
        try:
            return self._path.stat().st_size if self._size_bytes else 0
        except FileNotFoundError:
            return 0
