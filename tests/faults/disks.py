"""A small disk (tmpfs) that a test can fill."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

_CHUNK = 64 * 1024


class SmallDisk:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self.path).free

    def fill(self, leave_bytes: int = 0) -> None:
        """Fills the disk except for `leave_bytes`."""
        with self._filler.open("ab") as file, contextlib.suppress(OSError):
            while (room := self.free_bytes - leave_bytes) > 0:
                file.write(b"x" * min(_CHUNK, room))
                file.flush()

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(path: Path, size_mib: int) -> Iterator[SmallDisk]:
    """A mounted disk. Raises `PermissionError` with the reason if mounting is not allowed."""
    path.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=0700", "agentflow-test", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=10)
    if done.returncode or not os.path.ismount(path):
        raise PermissionError(f"no tmpfs can be mounted: {done.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        # Lazy unmount: a process left by a failed test may still have a file open.
        subprocess.run(["umount", "--lazy", str(path)], check=True, timeout=10)
