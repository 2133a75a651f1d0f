"""The Leader's gateway: one small gRPC service for web processes of their own (protos/agentflow/v1/leader.proto)."""

from __future__ import annotations

from nodes.stream.wire.transport import prepare_grpc

# The one thing that runs at import: later, grpc is loaded already.
prepare_grpc()
