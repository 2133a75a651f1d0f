"""Checks TLS files before anything starts: gRPC and Twisted fail late and with unclear messages."""

from __future__ import annotations

from pathlib import Path

from nodes.errors import ConfigError


def check_certificate(cert: Path, key: Path) -> None:
    """Raises `ConfigError` when the files cannot be read or do not match."""
    # Imported here: it costs five megabytes, which an agent without a hub saves.
    import ssl

    try:
        # An empty password: otherwise OpenSSL prompts on the terminal for an encrypted key's password.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except ssl.SSLError as exc:
        raise ConfigError(
            f"{cert} and {key} are not a certificate and its key, both PEM, the key without a password"
        ) from exc
    except OSError as exc:
        unreadable = next((file for file in (cert, key) if not _is_readable(file)), cert)
        raise ConfigError(f"{unreadable} cannot be read: {exc.strerror}") from exc


def check_authority(path: Path) -> None:
    """Raises `ConfigError` when the file cannot be read or holds no certificate."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise ConfigError(f"the CA file {path} cannot be read: {exc.strerror}") from exc
    if b"-----BEGIN CERTIFICATE-----" not in content:
        raise ConfigError(f"the CA file {path} holds no certificate (PEM)")


def _is_readable(path: Path) -> bool:
    try:
        path.open("rb").close()
    except OSError:
        return False
    return True
