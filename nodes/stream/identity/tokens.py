"""Node tokens: JWTs signed with the cluster key (EdDSA), valid without a database.

docs/protocol.md, section 1. A token identifies its bearer until it expires or is revoked.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from nodes.domain.ids import NODE_ID_RULE, is_node_id
from nodes.errors import AgentFlowError, ConfigError
from nodes.stream.identity.edge_keys import (
    ISSUED_CLAIM,
    KEY_CLAIM,
    PROOF_CLAIM,
    encode_private_key,
    new_private_key,
    packed,
    proof_message,
    revoked_key,
    unpacked,
)
from nodes.stream.identity.keys import ClusterKey

ISSUER = "agentflow"
_CLOCK_TOLERANCE_SECONDS = 60
# A node's token lives this long, and is renewed over the stream when two thirds are over.
LIFE = timedelta(days=90)
# For a node that was away over the end, or a clock that stood still. The Leader opens an alert.
GRACE = timedelta(days=7)


class TokenRole(StrEnum):
    LEADER = "leader"
    MASTER = "master"
    EDGE = "edge"
    WEB = "web"  # A separate web process: may use the Leader's gateway, never a stream.


class InvalidToken(AgentFlowError):
    """The token is not valid; `reason` goes into the logs of both sides and contains nothing secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeIdentity:
    """The bearer of a valid token."""

    node_id: str
    role: TokenRole
    token_id: str
    public_key: bytes = b""  # An Edge's own key; empty = a token of a version without keys, or of another role.
    issued_at: int = 0  # Unix seconds
    expires_at: int = 0  # 0 = never. A node's token is accepted for `GRACE` after it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """`file_text` is what the node gets: the token and, for an Edge, its private key below it."""

    token: str = field(repr=False)
    file_text: str = field(repr=False)
    public_key: bytes


def check_node_name(name: str) -> str:
    """Returns the name; raises `ConfigError` when it is not a valid node name."""
    if not is_node_id(name):
        raise ConfigError(f"{name!r} is not a valid node name: {NODE_ID_RULE}")
    return name


def issue_credentials(key: ClusterKey, *, node_id: str, role: str, expires_at: datetime | None = None) -> Credentials:
    """A new token; an Edge also gets a new key pair."""
    private_key = public_key = b""
    claims: dict[str, Any] = {}
    if role == TokenRole.EDGE:
        private_key, public_key = new_private_key()
        issued_at = int(datetime.now(UTC).timestamp())
        proof = key.sign(proof_message(check_node_name(node_id), issued_at, public_key))
        claims = {KEY_CLAIM: packed(public_key), ISSUED_CLAIM: issued_at, PROOF_CLAIM: packed(proof)}
    token = issue_token(key, node_id=node_id, role=role, expires_at=expires_at, key_claims=claims)
    lines = [token, encode_private_key(private_key)] if private_key else [token]
    return Credentials(file_text="\n".join(lines), token=token, public_key=public_key)


def is_due(issued_at: int, expires_at: int, now: float) -> bool:
    """Whether two thirds of a token's life are over."""
    return expires_at > 0 and now >= issued_at + (expires_at - issued_at) * 2 / 3


def issue_token(
    key: ClusterKey,
    *,
    node_id: str,
    role: str,
    expires_at: datetime | None = None,
    key_claims: Mapping[str, Any] | None = None,
) -> str:
    """Signs a new token; `verify_token` returns its id. `key_claims` name the Edge's public key."""
    import jwt

    claims: dict[str, Any] = {
        "iss": ISSUER,
        "jti": uuid.uuid4().hex,
        "sub": check_node_name(node_id),
        "role": str(TokenRole(role)),
        "iat": int(datetime.now(UTC).timestamp()),
        **(key_claims or {}),
    }
    if expires_at is not None:
        claims["exp"] = int(expires_at.timestamp())
    return jwt.encode(claims, key.private_pem, algorithm="EdDSA")


def verify_token(public_key: bytes, token: str, *, revoked: Collection[str]) -> NodeIdentity:
    """The token's bearer. Raises `InvalidToken`. `revoked` contains token ids, and keys as `revoked_key` gives them."""
    import jwt
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not token:
        raise InvalidToken("no token was given")
    try:
        claims = jwt.decode(
            token,
            Ed25519PublicKey.from_public_bytes(public_key),
            algorithms=["EdDSA"],
            issuer=ISSUER,
            leeway=GRACE.total_seconds() + _CLOCK_TOLERANCE_SECONDS,
            # The issue time is only for display: a node's clock may be behind the Leader's.
            options={"require": ["iss", "jti", "sub", "role", "iat"], "verify_iat": False, "verify_aud": False},
        )
        identity = NodeIdentity(
            node_id=check_node_name(claims["sub"]),
            role=TokenRole(claims["role"]),
            token_id=str(claims["jti"]),
            public_key=unpacked(claims[KEY_CLAIM]) if KEY_CLAIM in claims else b"",
            issued_at=int(claims["iat"]),
            expires_at=int(claims.get("exp", 0)),
        )
    except jwt.ExpiredSignatureError as exc:
        raise InvalidToken("the token has expired") from exc
    except jwt.InvalidSignatureError as exc:
        raise InvalidToken("the token was signed by another cluster's key") from exc
    except (jwt.PyJWTError, ConfigError, ValueError, TypeError) as exc:
        raise InvalidToken("the token is malformed") from exc
    # The grace is for nodes, which renew their tokens by themselves.
    is_node = identity.role in (TokenRole.MASTER, TokenRole.EDGE)
    if identity.expires_at and not is_node and time.time() > identity.expires_at + _CLOCK_TOLERANCE_SECONDS:
        raise InvalidToken("the token has expired")
    if identity.token_id in revoked or (identity.public_key and revoked_key(identity.public_key) in revoked):
        raise InvalidToken("the token was revoked")
    return identity
