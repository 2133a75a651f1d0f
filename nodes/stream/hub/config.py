"""What a hub is told once, at its start."""

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
    # Clients that know only the base messages. A Master takes none: what they say has no number to pass it on under.
    takes_base_clients: bool = True
    heartbeat_seconds: float = DEFAULT_HEARTBEAT_SECONDS
    # Both or none; without them the port is plain text.
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    # From the end of a node's stream until the node is offline.
    offline_after_seconds: float = 20.0
    # An older stream of the same name gets this long to prove that it lives.
    probe_seconds: float = 5.0
    # At a stop, nodes get this long to leave by themselves.
    parting_seconds: float = 2.0

    def __post_init__(self) -> None:
        host, _, port = self.address.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise ConfigError(f"{self.address!r} is no address: HOST:PORT is expected")
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ConfigError("TLS needs a certificate file and a key file, not one of them")
        check_heartbeat(self.heartbeat_seconds)
