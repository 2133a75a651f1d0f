"""Identity: the cluster key and the tokens it signs. Needs no database: nodes can join a Leader with an empty one."""

from __future__ import annotations

from nodes.stream.identity.keys import ClusterKey
from nodes.stream.identity.tokens import (
    Credentials,
    InvalidToken,
    NodeIdentity,
    TokenRole,
    check_node_name,
    issue_credentials,
    issue_token,
    verify_token,
)

__all__ = [
    "ClusterKey",
    "Credentials",
    "InvalidToken",
    "NodeIdentity",
    "TokenRole",
    "check_node_name",
    "issue_credentials",
    "issue_token",
    "verify_token",
]
