"""Renews nodes' tokens over their streams when two thirds of their life are over, by the Leader's clock.

An Edge's new token passes through its Master, which can do nothing with it: the token names the key that the Edge
already has. An Edge without a key is not renewed, because there the token alone would be enough.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from nodes.domain.states import NodeState, Role
from nodes.errors import StoreError
from nodes.leader.projection.projection import Projection
from nodes.models import Node, NodeToken
from nodes.stream.identity.edge_keys import claims_for, revoked_key
from nodes.stream.identity.keys import ClusterKey
from nodes.stream.identity.tokens import LIFE, is_due, issue_token, verify_token
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from nodes.waits import wait_at_most

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 10.0
# How long a Master keeps the command for an Edge that is just away.
_TTL_SECONDS = 60.0
# A node uses its new token at its next connection. Until then it gets the same one again, in case that it was lost.
_REPEAT_SECONDS = 6 * 3600.0


class Renewals:
    """A service. `send` queues a command on the stream that leads to a node."""

    name = "renewals"

    def __init__(
        self,
        projection: Projection,
        key: ClusterKey,
        *,
        send: Callable[[str, pb.LeaderCommand], bool],
        revoked: Callable[[], set[str]],
    ) -> None:
        self._projection = projection
        self._key = key
        self._send = send
        self._revoked = revoked
        self._stop = asyncio.Event()
        # Node → issue time of the token that it uses, its new token, and when that was last sent.
        self._offered: dict[str, tuple[int, str, float]] = {}

    def request_stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        while not self._stop.is_set():
            try:
                await self.look()
            except StoreError as exc:
                logger.warning("tokens are renewed later: %s", exc)
            await wait_at_most(self._stop, _LOOK_SECONDS)

    async def look(self) -> None:
        """Sends what is due now. Raises `StoreError`."""
        mono, now = asyncio.get_running_loop().time(), datetime.now(UTC)
        for node in list(self._projection.cache.nodes.values()):
            if not self._wants_token(node, now.timestamp()):
                self._offered.pop(node.id, None)
                continue
            used, token, sent_mono = self._offered.get(node.id, (0, "", 0.0))
            if used == node.token_issued_at and mono - sent_mono < _REPEAT_SECONDS:
                continue
            if used != node.token_issued_at:
                token = await self._issue(node, now)
            message = pb.LeaderCommand(
                command_id=f"token:{node.id}",
                new_token=pb.NewToken(target_node_id=node.id, token=token),
                ttl_seconds=_TTL_SECONDS,
            )
            is_sent = self._send(self._projection.cache.stream_of(node.id), message)
            self._offered[node.id] = (node.token_issued_at, token, mono if is_sent else mono - _REPEAT_SECONDS)

    def _wants_token(self, node: Node, now: float) -> bool:
        if (
            node.state != NodeState.ONLINE
            or node.is_base_client
            or not is_due(node.token_issued_at, node.token_expires_at, now)
        ):
            return False
        if node.role == Role.EDGE:
            return bool(node.key) and revoked_key(bytes.fromhex(node.key)) not in self._revoked()
        return node.role == Role.MASTER

    async def _issue(self, node: Node, now: datetime) -> str:
        """A new token for the same node, role and key; in the database before it is sent."""
        expires_at = now + LIFE
        claims = (
            claims_for(
                pb.EdgeKey(
                    public_key=bytes.fromhex(node.key),
                    issued_at=node.key_issued_at,
                    proof=bytes.fromhex(node.key_proof),
                )
            )
            if node.role == Role.EDGE
            else {}
        )
        token = issue_token(self._key, node_id=node.id, role=node.role, expires_at=expires_at, key_claims=claims)
        row = NodeToken(
            token_id=verify_token(self._key.public_key, token, revoked=()).token_id,
            node_id=node.id,
            role=node.role,
            issued_at=now,
            expires_at=expires_at,
            public_key=node.key if node.role == Role.EDGE else "",
        )
        await self._projection.write(lambda unit: unit.insert(row))
        logger.info("the token of %s is renewed until %s", node.id, expires_at.date())
        return token
