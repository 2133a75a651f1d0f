"""Rows of nodes' tokens: those issued elsewhere become known when they are used; which of them end soon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from nodes.domain.phrases import phrase
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.models import Node, NodeToken

TOKEN_ENDED = "token-ended"  # noqa: S105 - the kind of an alert
# A finer time would cost a write for each ticket.
_USE_GRAIN_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedToken:
    """A token with which a node has connected, here or to its Master."""

    node_id: str
    role: str
    token_id: str
    public_key: str
    issued_at: int  # Unix seconds
    expires_at: int  # 0 = never


def note_use(unit: UnitOfWork, token: UsedToken) -> None:
    """Stores the token, so that it can be listed and revoked by its node's name, and when it was last used."""
    if not token.token_id or len(token.token_id) > 64:
        return
    expires_at = datetime.fromtimestamp(token.expires_at, UTC) if token.expires_at else None
    if token.token_id not in unit.cache.known_tokens:
        issued_at = datetime.fromtimestamp(token.issued_at, UTC) if token.issued_at else unit.now
        NodeToken.objects.get_or_create(
            token_id=token.token_id,
            defaults={
                "node_id": token.node_id,
                "role": token.role,
                "issued_at": issued_at,
                "expires_at": expires_at,
                "public_key": token.public_key,
            },
        )
        unit.cache.known_tokens.add(token.token_id)
    if unit.mono - unit.cache.token_uses.get(token.token_id, -_USE_GRAIN_SECONDS) >= _USE_GRAIN_SECONDS:
        NodeToken.objects.filter(token_id=token.token_id).update(last_used_at=unit.now)
        unit.cache.token_uses[token.token_id] = unit.mono


def note_end(unit: UnitOfWork, node: Node, *, issued_at: int, expires_at: int) -> None:
    """Remembers when the node's token ends; an alert while it lives on its grace."""
    if (node.token_issued_at, node.token_expires_at) != (issued_at, expires_at):
        unit.change(node, token_issued_at=issued_at, token_expires_at=expires_at)
    if expires_at and unit.now.timestamp() > expires_at:
        said = phrase("token-ended", node=node.id, day=f"{datetime.fromtimestamp(expires_at, UTC):%Y-%m-%d}")
        unit.open_alert(TOKEN_ENDED, level="error", parts=[said], node_id=node.id)
    else:
        unit.resolve_alert(TOKEN_ENDED, node_id=node.id)
