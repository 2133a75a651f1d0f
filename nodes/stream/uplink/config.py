"""Configuration of an uplink, fixed at its start."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nodes.domain.states import Role
from nodes.errors import ConfigError
from nodes.stream.identity.edge_keys import EdgeKey
from nodes.stream.wire.limits import DEFAULT_HEARTBEAT_SECONDS, check_heartbeat


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkConfig:
    """Raises `ConfigError` for values that cannot work."""

    target: str  # HOST:PORT of the parent
    token: str = field(repr=False)
    node_id: str
    role: Role
    renewed_token_file: Path | None = None  # Where a renewed token is kept, beside `token`; None = not renewed.
    key: EdgeKey | None = None  # Signs entries and tickets; only an Edge has one.
    node_file: Path  # `node.json` in the data folder
    # The parent's Welcome sets the heartbeat; this value is for HTTP/2 keepalive, which must be set before that.
    heartbeat_seconds: float = DEFAULT_HEARTBEAT_SECONDS
    tls: bool = False
    ca_file: Path | None = None  # None with `tls`: the system's certificate authorities.
    tls_server_name: str = ""  # Set when the certificate is for another name than the target's.
    first_delay_seconds: float = 0.5
    cap_delay_seconds: float = 8.0
    # Delay after an error that only a person can fix.
    slow_delay_seconds: float = 30.0
    # A stream that lived this long after its Welcome counts as healthy.
    healthy_seconds: float = 10.0
    # How long a stop waits for the parent to commit entries in flight.
    drain_seconds: float = 3.0

    def __post_init__(self) -> None:
        host, _, port = self.target.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ConfigError(f"{self.target!r} is not a valid address: expected HOST:PORT")
        if not self.token or not self.token.isascii():
            raise ConfigError("the token is empty or not a token")
        check_heartbeat(self.heartbeat_seconds)
