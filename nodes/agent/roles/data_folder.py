"""The agent's data folder: private, writable, and used by one agent at a time."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nodes.core.private_files import close_to_others, own_folder
from nodes.errors import ConfigError
from nodes.stream.identity.edge_keys import EdgeKey, edge_key_of
from nodes.stream.identity.secret_files import read_secret

_LOCK = "agent.lock"


@contextmanager
def locked_data_folder(path: Path) -> Iterator[None]:
    """Makes the folder private and holds its lock. Raises ConfigError if that fails or another agent holds it.

    The kernel releases the lock when the process ends, however it ends.
    """
    try:
        own_folder(path)
        descriptor = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"the data folder {path} cannot be written: {error.strerror}; use another --data-dir"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            raise ConfigError(f"another agent (process {holder}) already uses the data folder {path}") from error
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise ConfigError(f"the data folder {path} cannot be written: {error.strerror}") from error
        close_to_others(path)
        yield
    finally:
        os.close(descriptor)


def read_token(path: Path) -> tuple[str, EdgeKey | None]:
    """Reads the token and an Edge's key below it. Raises ConfigError with a line that says what to do."""
    held = read_secret(path)
    if held is None:
        raise ConfigError(
            f"the token file {path} cannot be read: {os.strerror(errno.ENOENT)}; create one with: manage.py token new"
        )
    try:
        token, _, pem = held.decode("ascii").strip().partition("\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"the token file {path} contains no token") from error
    token = token.strip()
    if not token or any(character.isspace() for character in token):
        raise ConfigError(f"the token file {path} contains no token; create one with: manage.py token new")
    try:
        return token, edge_key_of(token, pem)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}; or create a new one with: manage.py token new") from error
