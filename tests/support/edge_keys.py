"""A cluster's key, and keys of Edges that it has issued."""

from __future__ import annotations

import tempfile
from pathlib import Path

from nodes.domain.states import Role
from nodes.stream.identity import ClusterKey, issue_credentials
from nodes.stream.identity.edge_keys import EdgeKey, edge_key_of

_CLUSTER_FOLDER = tempfile.TemporaryDirectory(prefix="agentflow-cluster-key-")
CLUSTER = ClusterKey.load_or_create(Path(_CLUSTER_FOLDER.name))


def edge_key(node_id: str = "edge-1", cluster: ClusterKey = CLUSTER) -> EdgeKey:
    """The key that comes with a new token of this Edge."""
    token, _, pem = issue_credentials(cluster, node_id=node_id, role=Role.EDGE).file_text.partition("\n")
    key = edge_key_of(token, pem)
    assert key is not None
    return key
