"""Why the database cannot store anything now, for dashboards. Published outside the feed, which needs the database."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Annotated, Literal, TypedDict

from nodes.leader.projection import topics
from nodes.leader.projection.message_base import now_ms, one_of
from nodes.leader.projection.published import Published

# Key of the only message about the store; the newest wins.
STORE_KEY = "store"

Reason = Literal["full", "locked", "unreachable", "error"]

_SQLITE_REASONS: dict[int, Reason] = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_CANTOPEN: "unreachable",
}
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES_REASONS: dict[str, Reason] = {
    "53100": "full",
    "55P03": "locked",
    "40P01": "locked",
    "53300": "unreachable",  # It has too many connections.
    "57P01": "unreachable",  # It stops, has crashed, or starts.
    "57P02": "unreachable",
    "57P03": "unreachable",
}


class StoreTrouble(TypedDict):
    """Whether the Leader's database accepts writes. While it does not, nothing new is stored or shown; reading works
    and tasks continue. It has no position in the feed.
    """

    type: Literal["STORE"]
    at: int
    state: Annotated[str, one_of("StoreState", ("ok", "failing"))]
    reason: Annotated[str, one_of("StoreReason", ("", "full", "locked", "unreachable", "error"))]
    message: str
    # Since when it rejects writes.
    since: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    reason: Reason
    message: str  # The database's error message, one line.
    since_ms: int


def reason_of(exc: BaseException) -> Reason:
    """The reason for an outage (`nodes.outages.is_outage`)."""
    cause = exc.__cause__
    if isinstance(cause, sqlite3.Error):
        # The low byte is the primary code; higher bytes are details.
        return _SQLITE_REASONS.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF, "error")
    state = getattr(cause, "sqlstate", None)
    # Every error from PostgreSQL has a SQLSTATE; without one, the server did not answer.
    return _POSTGRES_REASONS.get(state, "error") if state else "unreachable"


def first_line(exc: BaseException) -> str:
    return str(exc).partition("\n")[0] or type(exc).__name__


def store_published(trouble: Trouble | None) -> Published:
    """STORE: whether new data is being stored."""
    message: StoreTrouble = {
        "type": "STORE",
        "at": now_ms(),
        "state": "failing" if trouble else "ok",
        "reason": trouble.reason if trouble else "",
        "message": trouble.message if trouble else "",
        "since": trouble.since_ms if trouble else None,
    }
    return Published.of(0, (topics.ALERTS,), message, "state", STORE_KEY)
