"""How long anything may wait for the PostgreSQL server.

The server ends a statement that waits for a lock or runs too long, and a transaction whose client is frozen, so that
nobody else waits for it either. A server that is frozen itself ends nothing: there the client's own limit counts.
"""

from __future__ import annotations

from typing import Any

CONNECT_SECONDS = 5
# As SQLite's busy timeout.
LOCK_SECONDS = 5
# Less than a Leader's lapse (nodes.leader.term): a frozen Leader's locks are gone before another may take over.
IDLE_IN_TRANSACTION_SECONDS = 5
STATEMENT_SECONDS = 10
# Longer than the server's own limits, so that a server that works gives the reason.
ANSWER_SECONDS = 12

_SERVER_LIMITS = {
    "lock_timeout": LOCK_SECONDS,
    "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_SECONDS,
    "statement_timeout": STATEMENT_SECONDS,
}


def connection_options(given: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a connection; those that `DATABASE_URL` gives take precedence."""
    limits = " ".join(f"-c {name}={seconds}s" for name, seconds in _SERVER_LIMITS.items())
    return {
        "application_name": "agentflow",
        "connect_timeout": CONNECT_SECONDS,
        # A machine that vanished.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        "tcp_user_timeout": ANSWER_SECONDS * 1000,
        **given,
        "options": f"{limits} {given.get('options', '')}".rstrip(),
    }
