"""Disk space reserved so that state entries can be written on a full disk."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

_STEP_BYTES = 64 * 1024

logger = logging.getLogger(__name__)


class Reserve:
    """A file next to the journal that only occupies space. Size 0 = no reserve."""

    def __init__(self, path: Path, *, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self.restore()

    def release(self) -> bool:
        """Frees part of the reserve; False when none is left. Only a little at a time: other programs take it too."""
        try:
            held = self._held_bytes()
            if not held:
                return False
            left = max(held - _STEP_BYTES, 0)
            os.truncate(self._path, left)
        except OSError as exc:
            logger.warning("cannot free the disk space reserved for states: %s", exc)
            return False
        logger.error(
            "the disk is full: freed reserved space for states, %d bytes left; free some disk space soon", left
        )
        return True

    def restore(self) -> None:
        """Reserves the space again once the disk has plenty. Failing to do so is not an error."""
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
            logger.warning("reserved less disk space for states than configured: %s", exc)

    def _held_bytes(self) -> int:
        try:
            return self._path.stat().st_size if self._size_bytes else 0
        except FileNotFoundError:
            return 0
