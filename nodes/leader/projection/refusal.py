"""Why an entry cannot be applied. The entry becomes a dead letter; the stream and later entries are not affected."""

from __future__ import annotations

from nodes.errors import StoreError

ILLEGAL_TRANSITION = "illegal-transition"
BAD_VALUE = "bad-value"
OVERSIZE = "oversize"
FOREIGN_NODE = "foreign-node"
HOLE = "hole"  # Not a final refusal: the node sends again from the position in the Nack.


class EntryRefused(StoreError):
    """`code` is one of this module's constants."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


class SpeakerRefused(EntryRefused):
    """The peer spoke for a node for which it may not: this also opens an alert."""

    def __init__(self, message: str) -> None:
        super().__init__(FOREIGN_NODE, message)
