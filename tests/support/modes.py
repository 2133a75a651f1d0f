"""The rule about files at rest: nothing in a data folder is accessible to other users."""

from __future__ import annotations

import os
from pathlib import Path


def open_to_others(folder: Path) -> list[str]:
    """The folder itself, and everything in it except symlinks, whose mode has a bit for the group or for others."""
    found = [folder, *(Path(root, name) for root, dirs, files in os.walk(folder) for name in (*dirs, *files))]
    modes = {path: path.lstat().st_mode for path in found if path.exists() and not path.is_symlink()}
    return [f"{path.relative_to(folder)} {mode & 0o777:04o}" for path, mode in modes.items() if mode & 0o077]
