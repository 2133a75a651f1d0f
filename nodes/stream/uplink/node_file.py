"""What a node keeps about its cluster across restarts: the highest epoch, the public key, the revoked tokens, and the
counter of its tickets."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nodes.core.quarantine import quarantine
from nodes.errors import ConfigError
from nodes.stream.identity.secret_files import replace_secret

logger = logging.getLogger(__name__)


class NodeFile:
    """`node.json` in the node's data folder. A change is on disk when its method returns.

    A damaged file is quarantined: the next Welcome restores its content.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            held = _parsed(_read(path))
        except (AttributeError, TypeError, ValueError) as exc:
            aside = quarantine(path)
            logger.error("quarantined as %s, the parent will send its content again: %s", aside, exc)  # noqa: TRY400
            held = _parsed({})
        self._max_epoch, self._cluster_public_key, self._revoked_token_ids, self._ticket_counter = held

    @property
    def max_epoch(self) -> int:
        return self._max_epoch

    @property
    def cluster_public_key(self) -> bytes:
        """32 raw bytes; empty until the first Welcome."""
        return self._cluster_public_key

    @property
    def revoked_token_ids(self) -> frozenset[str]:
        return self._revoked_token_ids

    def raise_epoch(self, epoch: int) -> None:
        if epoch > self._max_epoch:
            self._max_epoch = epoch
            self._save()

    def next_ticket_counter(self, now_ms: int) -> int:
        """A number above all earlier ones, on disk before it is returned.

        It follows the clock, so that it also grows after this file was lost or restored from a copy.
        """
        self._ticket_counter = max(self._ticket_counter + 1, now_ms)
        self._save()
        return self._ticket_counter

    def update_cluster(self, *, public_key: bytes, revoked_token_ids: Iterable[str]) -> None:
        """Stores the content of a Welcome. Its list is complete: tokens missing from it are removed here."""
        revoked = frozenset(revoked_token_ids)
        if (public_key or self._cluster_public_key, revoked) == (self._cluster_public_key, self._revoked_token_ids):
            return
        self._cluster_public_key = public_key or self._cluster_public_key
        self._revoked_token_ids = revoked
        self._save()

    def add_revoked(self, token_ids: Iterable[str]) -> None:
        revoked = self._revoked_token_ids.union(token_ids)
        if revoked != self._revoked_token_ids:
            self._revoked_token_ids = revoked
            self._save()

    def _save(self) -> None:
        content = {
            "max_epoch": self._max_epoch,
            "cluster_public_key": self._cluster_public_key.hex(),
            "revoked_token_ids": sorted(self._revoked_token_ids),
            "ticket_counter": self._ticket_counter,
        }
        replace_secret(self._path, json.dumps(content, indent=1).encode())


def _read(path: Path) -> dict[str, Any]:
    """Raises ConfigError when the file cannot be read, ValueError when its content is invalid."""
    try:
        held = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc}") from exc
    if not isinstance(held, dict):
        raise ValueError(f"{path}: expected an object")
    return held


def _parsed(held: dict[str, Any]) -> tuple[int, bytes, frozenset[str], int]:
    """Raises AttributeError, TypeError or ValueError."""
    return (
        int(held.get("max_epoch", 0)),
        bytes.fromhex(held.get("cluster_public_key", "")),
        frozenset(str(token_id) for token_id in held.get("revoked_token_ids", ())),
        int(held.get("ticket_counter", 0)),
    )
