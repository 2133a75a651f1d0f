"""Which token a node uses: the one it was given, or the renewed one beside it.

The renewed token is on disk before it is used, and the old one stays until a newer one is given: a crash in between, or
a renewed token that is refused, costs nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from nodes.errors import ConfigError
from nodes.stream.identity.edge_keys import bearer_of, times_of
from nodes.stream.identity.secret_files import read_secret, replace_secret

logger = logging.getLogger(__name__)


class TokenChoice:
    """`given` comes from the node's token file, `path` is in its data folder. Raises `ConfigError`.

    `is_genuine` tells whether the cluster issued a token: an Edge gets it from a Master, which could make one up.
    """

    def __init__(self, given: str, path: Path | None, is_genuine: Callable[[str], bool]) -> None:
        self._is_genuine = is_genuine
        self._given = given
        self._path = path
        self._renewed = (read_secret(path) or b"").decode("ascii", "replace").strip() if path is not None else ""
        self._uses_renewed = self._fits(self._renewed)

    @property
    def current(self) -> str:
        return self._renewed if self._uses_renewed else self._given

    def renew(self, token: str) -> None:
        """Stores the token; it is used from the next stream on. One that does not fit is ignored."""
        if self._path is None or times_of(token)[1] <= times_of(self._renewed or self._given)[1]:
            return  # Sent again, because the Leader does not know yet that it is here.
        if not self._fits(token) or not self._is_genuine(token):
            logger.warning("ignored a new token that is not from this cluster, or not for this node and key")
            return
        try:
            replace_secret(self._path, token.encode())
        except ConfigError as exc:
            logger.warning("the renewed token is not kept; it will be sent again: %s", exc)
            return
        self._renewed, self._uses_renewed = token, True

    def refused(self) -> None:
        """The parent refused the current token: the next stream tries the other one, if there is one."""
        if self._fits(self._renewed):
            self._uses_renewed = not self._uses_renewed

    def _fits(self, token: str) -> bool:
        """A token file that a person has replaced since has a later token, or one for another key."""
        is_later = times_of(token)[1] >= times_of(self._given)[1]
        return bool(token) and token.isascii() and is_later and bearer_of(token) == bearer_of(self._given)
