"""Checks that a port is free before anything starts: one clear error instead of a failure half-way."""

from __future__ import annotations

import socket

from nodes.errors import ConfigError


def require_free(address: str) -> None:
    """`address` is a valid HOST:PORT. Raises `ConfigError` with the system's reason when the port is taken."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As the servers do: a port with connections left in TIME_WAIT counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, int(port)))
    except OSError as exc:
        raise ConfigError(f"cannot listen on {address}: {exc.strerror or exc}") from exc
