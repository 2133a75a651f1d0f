"""Revocations, stored outside the database: a database that is lost or restored does not make a token valid again."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection
from pathlib import Path

from nodes.errors import ConfigError
from nodes.stream.identity.secret_files import read_secret, replace_secret

_NAME = "revoked"


class RevokedFile:
    """`revoked` in the Leader's data folder: a token id, or key (`edge_keys.revoked_key`), a line. It only grows."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / _NAME

    def read(self) -> set[str]:
        """Raises `ConfigError` when the file cannot be read."""
        return set((read_secret(self._path) or b"").decode("ascii", "replace").split())

    def add(self, marks: Collection[str]) -> None:
        """On disk on return. Several processes may add at once. Raises `ConfigError`."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._path.with_name(f".{_NAME}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as exc:
            raise ConfigError(f"{self._path} cannot be written: {exc.strerror}") from exc
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            held = self.read()
            if not held.issuperset(marks):
                replace_secret(self._path, "".join(f"{mark}\n" for mark in sorted(held.union(marks))).encode())
        finally:
            os.close(lock)
