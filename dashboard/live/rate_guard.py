"""Limits one client's message rate and its number of violations. Pure: time is passed in."""

from __future__ import annotations

from collections import deque
from enum import IntEnum

from nodes.token_bucket import TokenBucket

MESSAGES_PER_SECOND = 20
ACKS_PER_SECOND = 4
# The socket is closed after this many violations within this many seconds.
VIOLATIONS = 10
VIOLATION_SECONDS = 60.0


class Violation(IntEnum):
    """The value is the close code after repeated violations."""

    BAD_MESSAGE = 4400
    OVERSIZE = 4009
    TOO_FAST = 4029


class RateGuard:
    def __init__(self, now: float) -> None:
        self._messages = TokenBucket(burst=MESSAGES_PER_SECOND, per_second=MESSAGES_PER_SECOND, now=now)
        self._acks = TokenBucket(burst=ACKS_PER_SECOND, per_second=ACKS_PER_SECOND, now=now)
        self._violations: deque[float] = deque(maxlen=VIOLATIONS)

    def may_send(self, now: float, *, is_ack: bool) -> bool:
        """Whether this message is within the rate. ACKs count only above their own rate."""
        return (is_ack and self._acks.take(now)) or self._messages.take(now)

    def note_violation(self, now: float) -> bool:
        """Records a violation; True when the limit is reached."""
        self._violations.append(now)
        return len(self._violations) == VIOLATIONS and now - self._violations[0] <= VIOLATION_SECONDS
