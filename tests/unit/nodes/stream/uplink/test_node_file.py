from __future__ import annotations

import stat
from pathlib import Path

import pytest

from nodes.errors import ConfigError
from nodes.stream.uplink.node_file import NodeFile


def test_stored_values_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "node.json"
    node_file = NodeFile(path)
    assert (node_file.max_epoch, node_file.cluster_public_key) == (0, b"")
    assert not path.exists()

    node_file.raise_epoch(5)
    node_file.raise_epoch(3)
    node_file.update_cluster(public_key=b"\x01" * 32, revoked_token_ids=["a"])
    node_file.add_revoked(["b"])

    again = NodeFile(path)
    assert again.max_epoch == 5
    assert again.cluster_public_key == b"\x01" * 32
    assert again.revoked_token_ids == {"a", "b"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_welcome_replaces_the_revoked_tokens_and_keeps_a_known_key(tmp_path: Path) -> None:
    node_file = NodeFile(tmp_path / "node.json")
    node_file.update_cluster(public_key=b"k", revoked_token_ids=["a"])

    node_file.update_cluster(public_key=b"", revoked_token_ids=["c"])

    assert node_file.cluster_public_key == b"k"
    assert node_file.revoked_token_ids == {"c"}


def test_unchanged_is_not_written(tmp_path: Path) -> None:
    node_file = NodeFile(tmp_path / "node.json")

    node_file.update_cluster(public_key=b"", revoked_token_ids=[])
    node_file.add_revoked([])

    assert not (tmp_path / "node.json").exists()


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"max_epoch": "x"}', '{"cluster_public_key": "zz"}', '{"max_epoch": {}}']
)
def test_damaged_file_is_quarantined_and_restored_by_the_welcome(tmp_path: Path, content: str) -> None:
    path = tmp_path / "node.json"
    path.write_text(content)

    node_file = NodeFile(path)

    assert (node_file.max_epoch, node_file.cluster_public_key, node_file.revoked_token_ids) == (0, b"", frozenset())
    node_file.raise_epoch(7)
    assert NodeFile(path).max_epoch == 7
    assert [aside.read_text() for aside in tmp_path.glob("node.json.corrupt-*")] == [content]


def test_unreadable_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "node.json").mkdir()

    with pytest.raises(ConfigError, match=r"node\.json cannot be read"):
        NodeFile(tmp_path / "node.json")
