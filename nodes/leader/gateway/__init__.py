"""The Leader's gateway: a small gRPC service for separate web processes (protos/agentflow/v1/leader.proto)."""

from __future__ import annotations

from nodes.stream.wire.transport import prepare_grpc

# The only code that runs at import: it must run before grpc is loaded.
prepare_grpc()
