"""Files that hold a secret: created once, readable only by their owner, and never partly written."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from nodes.errors import ConfigError


def read_secret(path: Path) -> bytes | None:
    """The file's content, or `None` if it does not exist. Raises `ConfigError` when other users can read it."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise ConfigError(f"{path} has mode {mode:04o}, but only its owner may read it; run: chmod 600 {path}")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc


def create_secret(path: Path, content: bytes) -> bytes:
    """Writes the file unless it exists; returns its content. Two concurrent first starts get the same content."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_synced(draft, content)
        try:
            # A link, not a rename: it fails if the file exists, and the file appears complete or not at all.
            os.link(draft, path)
        except FileExistsError:
            pass  # A concurrent first start was faster; its content is read below.
        finally:
            draft.unlink()
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror}") from exc
    held = read_secret(path)
    if held is None:
        raise ConfigError(f"{path} was removed while it was being created")
    return held


def replace_secret(path: Path, content: bytes) -> None:
    """Writes the file, replacing any existing content. On return it survives a power cut, its name included."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_synced(draft, content)
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror}") from exc


def _write_synced(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
