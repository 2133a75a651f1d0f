"""Which node a token identifies, and which tokens are refused (docs/protocol.md, section 1)."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nodes.errors import ConfigError
from nodes.stream.identity import ClusterKey, InvalidToken, TokenRole, issue_token, verify_token


@pytest.fixture
def key(tmp_path: Path) -> ClusterKey:
    return ClusterKey.load_or_create(tmp_path)


def test_a_token_identifies_its_bearer(key: ClusterKey) -> None:
    token = issue_token(key, node_id="master-1", role="master")

    identity = verify_token(key.public_key, token, revoked=())

    assert (identity.node_id, identity.role) == ("master-1", TokenRole.MASTER)
    assert identity.token_id


def test_two_tokens_of_one_node_have_different_ids(key: ClusterKey) -> None:
    first, second = (issue_token(key, node_id="m", role="master") for _ in range(2))

    assert verify_token(key.public_key, first, revoked=()) != verify_token(key.public_key, second, revoked=())


def test_a_revoked_token_is_refused(key: ClusterKey) -> None:
    token = issue_token(key, node_id="m", role="master")
    token_id = verify_token(key.public_key, token, revoked=()).token_id

    with pytest.raises(InvalidToken, match="revoked"):
        verify_token(key.public_key, token, revoked={token_id})


def test_an_expired_token_is_refused(key: ClusterKey) -> None:
    token = issue_token(key, node_id="m", role="edge", expires_at=datetime.now(UTC) - timedelta(days=8))

    with pytest.raises(InvalidToken, match="expired"):
        verify_token(key.public_key, token, revoked=())


def test_another_clusters_token_is_refused(key: ClusterKey, tmp_path: Path) -> None:
    other = ClusterKey.load_or_create(tmp_path / "other")

    with pytest.raises(InvalidToken, match="another cluster"):
        verify_token(key.public_key, issue_token(other, node_id="m", role="master"), revoked=())


def _unsigned(claims: dict[str, object]) -> str:
    parts = [{"alg": "none", "typ": "JWT"}, claims]
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "\x00",
        "é" * 50,
        _unsigned({"sub": "m", "role": "master", "jti": "1", "iat": 1, "iss": "agentflow"}),
    ],
)
def test_malformed_tokens_are_refused_with_a_reason(key: ClusterKey, token: str) -> None:
    with pytest.raises(InvalidToken) as refused:
        verify_token(key.public_key, token, revoked=())

    assert refused.value.reason


@pytest.mark.parametrize("name", ["", "a:b", "a b", "-a", "x" * 65, "节点"])
def test_a_name_that_cannot_be_part_of_a_topic_is_refused(key: ClusterKey, name: str) -> None:
    with pytest.raises(ConfigError):
        issue_token(key, node_id=name, role="master")


def test_the_key_is_created_once_and_readable_only_by_its_owner(tmp_path: Path) -> None:
    first = ClusterKey.load_or_create(tmp_path)

    assert ClusterKey.load_or_create(tmp_path) == first
    assert (tmp_path / "cluster.key").stat().st_mode & 0o777 == 0o600
    assert "PRIVATE" not in repr(first)


def test_a_key_that_others_may_read_stops_the_start(tmp_path: Path) -> None:
    ClusterKey.load_or_create(tmp_path)
    (tmp_path / "cluster.key").chmod(0o644)

    with pytest.raises(ConfigError, match="chmod 600"):
        ClusterKey.load_or_create(tmp_path)


def test_a_file_without_a_key_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "cluster.key").write_text("nonsense")
    (tmp_path / "cluster.key").chmod(0o600)

    with pytest.raises(ConfigError, match="contains no PEM key"):
        ClusterKey.load_or_create(tmp_path)
