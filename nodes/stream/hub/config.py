"""Configuration of a hub, fixed at its start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nodes.domain.states import Role
from nodes.errors import ConfigError
from nodes.stream.wire.limits import DEFAULT_HEARTBEAT_SECONDS, check_heartbeat


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """Raises `ConfigError` for values that cannot work."""

    address: str  # HOST:PORT to listen on; port 0 takes a free one.
    accepts: frozenset[Role] = frozenset({Role.MASTER})  # Roles whose tokens may open a stream.
    # Clients that support only the base messages. A Master accepts none: their updates have no number to relay.
    takes_base_clients: bool = True
    heartbeat_seconds: float = DEFAULT_HEARTBEAT_SECONDS
    # Set both or neither; without them the port is plain text.
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    # Time from the end of a node's stream until the node counts as offline.
    offline_after_seconds: float = 20.0
    # How long an older stream of the same name has to prove that it is alive.
    probe_seconds: float = 5.0
    # Below the server's limit of connections, beyond which a client would be cut off without a reason.
    max_streams: int = 4_000
    # How long nodes have to disconnect by themselves when the hub stops.
    parting_seconds: float = 2.0

    def __post_init__(self) -> None:
        host, _, port = self.address.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ConfigError(f"{self.address!r} is not a valid address: expected HOST:PORT")
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ConfigError("TLS needs both a certificate file and a key file")
        check_heartbeat(self.heartbeat_seconds)
