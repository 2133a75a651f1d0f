"""Which token a node uses while its token is renewed, and after a crash or a refusal in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jwt
import pytest

from nodes.stream.identity.edge_keys import is_issued_by
from nodes.stream.identity.tokens import issue_token
from nodes.stream.uplink.token_choice import TokenChoice
from tests.support.edge_keys import CLUSTER


def token(issued_at: int, **claims: object) -> str:
    body = {"sub": "edge-1", "role": "edge", "key": "k", "iat": issued_at, **claims}
    return jwt.encode(body, CLUSTER.private_pem, algorithm="EdDSA")


def genuine(text: str) -> bool:
    return is_issued_by(CLUSTER.public_key, text)


@pytest.fixture
def choose(tmp_path: Path) -> Callable[[str], TokenChoice]:
    return lambda given: TokenChoice(given, tmp_path / "renewed.token", genuine)


def test_a_renewed_token_is_used_and_survives_a_restart(choose: Callable[[str], TokenChoice], tmp_path: Path) -> None:
    held = choose(token(1))
    assert held.current == token(1)

    held.renew(token(2))

    assert held.current == token(2)
    assert choose(token(1)).current == token(2)
    assert (tmp_path / "renewed.token").stat().st_mode & 0o777 == 0o600


def test_a_refused_token_gives_way_to_the_other_one(choose: Callable[[str], TokenChoice]) -> None:
    held = choose(token(1))
    held.renew(token(2))

    held.refused()
    assert held.current == token(1)
    held.refused()
    assert held.current == token(2)


def test_a_new_token_file_counts_from_then_on(choose: Callable[[str], TokenChoice]) -> None:
    choose(token(1)).renew(token(2))

    assert choose(token(3)).current == token(3)
    assert choose(token(1, key="another")).current == token(1, key="another")


@pytest.mark.parametrize(
    "other",
    [
        token(1),
        token(9, sub="edge-2"),
        token(9, role="master"),
        token(9, key="another"),
        token(9).rpartition(".")[0] + ".AAAA",
        "garbage",
        "",
    ],
)
def test_a_token_that_is_not_this_nodes_is_ignored(choose: Callable[[str], TokenChoice], other: str) -> None:
    """A Master cannot lock its Edge out with a token that it made up."""
    held = choose(token(1))

    held.renew(other)

    assert held.current == token(1)


def test_a_token_that_cannot_be_kept_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    held = TokenChoice(token(1), None, genuine)
    held._path = tmp_path / "file" / "renewed.token"

    held.renew(token(2))

    assert held.current == token(1)


def test_what_the_cluster_issues_is_genuine() -> None:
    assert genuine(issue_token(CLUSTER, node_id="m", role="master"))
    assert not genuine(jwt.encode({"sub": "m"}, "x" * 32, algorithm="HS256"))
