"""Files that hold a secret: made once, for their owner only, and never half written."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from nodes.errors import ConfigError


def read_secret(path: Path) -> bytes | None:
    """The file's content, `None` when there is none. Raises `ConfigError` when others may read it."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise ConfigError(f"{path} has mode {mode:04o}: a secret is for its owner only; run: chmod 600 {path}")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc


def create_secret(path: Path, content: bytes) -> bytes:
    """Writes the file unless it exists, and returns what it holds then: of two first starts, one wins for both."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_synced(draft, content)
        try:
            # A link, not a rename: it fails when the file exists, and the file appears whole or not at all.
            os.link(draft, path)
        except FileExistsError:
            pass  # Another first start was faster; what it has written is read below.
        finally:
            draft.unlink()
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror}") from exc
    held = read_secret(path)
    if held is None:
        raise ConfigError(f"{path} was removed while it was being made")
    return held


def replace_secret(path: Path, content: bytes) -> None:
    """Writes the file, whatever stood there."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_synced(draft, content)
        draft.replace(path)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be written: {exc.strerror}") from exc


def _write_synced(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
