"""For commands that print a secret: a file that takes their output is readable only by its owner."""

from __future__ import annotations

import os
import stat
from typing import Protocol


class _Output(Protocol):
    def fileno(self) -> int: ...


def close_to_others(output: _Output) -> None:
    """Call before printing: `> FILE` creates the file with the shell's umask, which usually lets others read it."""
    try:
        descriptor = output.fileno()
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.fchmod(descriptor, 0o600)
    except (OSError, ValueError):
        pass  # No descriptor, or a file of another user, who set its mode on purpose.
