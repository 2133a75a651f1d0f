"""The Leader's term: grows at every start and above what any node has seen, so that an older Leader is not obeyed."""

from __future__ import annotations

from pathlib import Path

from nodes.errors import ConfigError
from nodes.identity.secret_files import replace_secret


class Epoch:
    """Kept in a file of the data folder, outside the database: a restored one must not bring an old term back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._value = self._found = _read(path)

    @property
    def value(self) -> int:
        return self._value

    @property
    def found(self) -> int:
        """What the last Leader on this folder left, before this one began."""
        return self._found

    def advance(self) -> int:
        """Begins the next term; on disk before it returns. Raises `ConfigError` when it cannot be written."""
        return self._move_to(self._value + 1)

    def rise_above(self, seen: int) -> int:
        """Moves above a term that a node has seen, if it is higher than this one."""
        return self._move_to(seen + 1) if seen > self._value else self._value

    def _move_to(self, value: int) -> int:
        replace_secret(self._path, f"{value}\n".encode())
        self._value = value
        return value


def _read(path: Path) -> int:
    try:
        return int(path.read_text())
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{path} must hold one number, the last term: {exc}") from exc
