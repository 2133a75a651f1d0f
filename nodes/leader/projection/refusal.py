"""Why an entry cannot be applied. It goes to the dead letters; the stream and the journal behind it live on."""

from __future__ import annotations

from nodes.errors import StoreError

ILLEGAL_TRANSITION = "illegal-transition"
BAD_VALUE = "bad-value"
OVERSIZE = "oversize"
FOREIGN_NODE = "foreign-node"
HOLE = "hole"  # Not refused for ever: to be sent again from the position in the Nack.


class EntryRefused(StoreError):
    """`code` is one of this module's words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message
