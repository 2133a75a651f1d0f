"""Nodes' tokens end, are renewed over the stream, and stay revoked when the database is lost."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nodes.domain.states import NodeState, Role
from nodes.leader.projection.projection import Projection
from nodes.leader.projection.renewals import Renewals
from nodes.leader.projection.revocations import Revocations
from nodes.models import Alert, NodeToken
from nodes.stream.identity import InvalidToken, issue_token, verify_token
from nodes.stream.identity.edge_keys import revoked_key
from nodes.stream.identity.revoked_file import RevokedFile
from nodes.stream.identity.tokens import is_due
from nodes.stream.wire.v1 import node_sync_pb2 as pb
from tests.support.edge_keys import CLUSTER, edge_key
from tests.support.leader_store import Recorder, Voice, read, running_projection

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 24 * 3600


@pytest.fixture
async def projection(tmp_path: Path) -> AsyncIterator[Projection]:
    async with running_projection(tmp_path, Recorder()) as made:
        yield made


def master_with(projection: Projection, *, issued_days_ago: float, days_left: float) -> Voice:
    voice = Voice(projection, "master-1")
    now = int(time.time())
    voice.peer = replace(
        voice.peer,
        token_issued_at=now - int(issued_days_ago * DAY),
        token_expires_at=now + int(days_left * DAY),
    )
    return voice


class Sent:
    def __init__(self) -> None:
        self.messages: list[tuple[str, pb.NewToken]] = []

    def __call__(self, node_id: str, message: pb.LeaderCommand) -> bool:
        self.messages.append((node_id, message.new_token))
        return True


def renewals(projection: Projection, sent: Sent, revoked: set[str] | None = None) -> Renewals:
    return Renewals(projection, CLUSTER, send=sent, revoked=lambda: revoked or set())


@pytest.mark.parametrize(("day", "due"), [(0, False), (59, False), (60, True), (95, True)])
def test_a_token_is_renewed_from_two_thirds_on(day: int, due: bool) -> None:
    assert is_due(0, 90 * DAY, day * DAY) is due
    assert not is_due(0, 0, day * DAY)


async def test_a_masters_token_is_renewed_once_for_each_token_that_it_uses(projection: Projection) -> None:
    await master_with(projection, issued_days_ago=61, days_left=29).arrive()
    sent = Sent()
    service = renewals(projection, sent)

    await service.look()
    await service.look()

    ((stream, new),) = sent.messages
    identity = verify_token(CLUSTER.public_key, new.token, revoked=())
    assert (stream, identity.node_id, identity.role, identity.public_key) == ("master-1", "master-1", "master", b"")
    assert identity.expires_at - time.time() > 89 * DAY
    assert await read(NodeToken.objects.filter(token_id=identity.token_id).exists)


async def test_a_young_token_is_not_renewed(projection: Projection) -> None:
    await master_with(projection, issued_days_ago=50, days_left=40).arrive()
    sent = Sent()

    await renewals(projection, sent).look()

    assert not sent.messages


async def test_an_edges_token_keeps_its_key_and_goes_through_its_master(projection: Projection) -> None:
    master = master_with(projection, issued_days_ago=1, days_left=89)
    await master.arrive()
    edge = Voice(projection, "edge-1", Role.EDGE, via=master, key=edge_key())
    now = datetime.now(UTC)
    edge.token = issue_token(CLUSTER, node_id="edge-1", role="edge", expires_at=now + timedelta(seconds=1))
    await edge.send(edge.ticket())
    await edge.snapshot(state=NodeState.ONLINE)
    sent = Sent()
    assert edge.key is not None

    await renewals(projection, sent, {revoked_key(edge.key.public_key)}).look()
    assert not sent.messages

    issued = int(time.time()) - 70 * DAY
    await projection.write(
        lambda unit: unit.change(unit.cache.nodes["edge-1"], token_issued_at=issued, token_expires_at=issued + 90 * DAY)
    )
    await renewals(projection, sent).look()
    ((stream, new),) = sent.messages
    identity = verify_token(CLUSTER.public_key, new.token, revoked=())
    assert (stream, new.target_node_id) == ("master-1", "edge-1")
    assert (identity.node_id, identity.role, identity.public_key) == ("edge-1", "edge", edge.key.public_key)
    # The list shows an Edge that the Leader knows only from its ticket.
    assert await read(NodeToken.objects.filter(node_id="edge-1", last_used_at__isnull=False).exists)


async def test_a_token_in_its_grace_opens_an_alert_until_it_is_renewed(projection: Projection) -> None:
    await master_with(projection, issued_days_ago=91, days_left=-1).arrive()

    alert = await read(Alert.objects.get)
    assert (alert.kind, alert.node_id, alert.resolved_at) == ("token-ended", "master-1", None)
    await master_with(projection, issued_days_ago=0, days_left=90).arrive()
    assert (await read(Alert.objects.get)).resolved_at is not None


@pytest.mark.parametrize(("role", "days", "is_valid"), [("master", 6, True), ("master", 8, False), ("web", 1, False)])
def test_only_nodes_have_a_grace_of_seven_days(role: str, days: int, is_valid: bool) -> None:
    token = issue_token(CLUSTER, node_id="n", role=role, expires_at=datetime.now(UTC) - timedelta(days=days))

    if is_valid:
        assert verify_token(CLUSTER.public_key, token, revoked=()).node_id == "n"
        return
    with pytest.raises(InvalidToken, match="expired"):
        verify_token(CLUSTER.public_key, token, revoked=())


async def test_a_lost_database_does_not_forget_a_revocation(projection: Projection, tmp_path: Path) -> None:
    await read(
        lambda: NodeToken.objects.create(
            token_id="gone", node_id="edge-1", role="edge", issued_at=datetime.now(UTC), public_key="ab" * 32
        )
    )
    await read(lambda: NodeToken.objects.update(revoked_at=datetime.now(UTC)))
    await Revocations(RevokedFile(tmp_path)).start(projection, lambda ids: None)

    await read(NodeToken.objects.all().delete)

    after = Revocations(RevokedFile(tmp_path))
    await after.start(projection, lambda ids: None)
    assert after.ids == {"gone", revoked_key(b"\xab" * 32)}


def test_the_file_of_revocations_only_grows(tmp_path: Path) -> None:
    one, two = RevokedFile(tmp_path), RevokedFile(tmp_path)
    one.add({"a"})
    two.add({"b"})

    assert one.read() == {"a", "b"}
    assert (tmp_path / "revoked").stat().st_mode & 0o777 == 0o600
