"""Whether a port can be had, asked before anything is started: one clear line instead of a failure half-way."""

from __future__ import annotations

import socket

from nodes.errors import ConfigError


def require_free(address: str) -> None:
    """`address` is HOST:PORT, checked before. Raises `ConfigError` with the system's reason."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As the servers do: a port whose last connections are still dying is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, int(port)))
    except OSError as exc:
        raise ConfigError(f"cannot listen on {address}: {exc.strerror or exc}") from exc
