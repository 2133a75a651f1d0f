"""Who is who: the cluster's key and the tokens it signs. No database is needed: an empty one still knows its nodes."""

from __future__ import annotations

from nodes.stream.identity.keys import ClusterKey
from nodes.stream.identity.tokens import (
    InvalidToken,
    NodeIdentity,
    TokenRole,
    check_node_name,
    issue_token,
    verify_token,
)

__all__ = [
    "ClusterKey",
    "InvalidToken",
    "NodeIdentity",
    "TokenRole",
    "check_node_name",
    "issue_token",
    "verify_token",
]
