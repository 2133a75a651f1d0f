"""The cluster's signing key. Stored in the Leader's data folder, outside the database."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from nodes.errors import ConfigError
from nodes.stream.identity.secret_files import create_secret, read_secret, replace_secret

KEY_FILE = "cluster.key"
PUBLIC_FILE = "cluster.pub"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterKey:
    """An Ed25519 key pair."""

    public_key: bytes  # 32 raw bytes; not secret.
    private_pem: bytes = field(repr=False)

    @classmethod
    def load_or_create(cls, data_dir: Path) -> ClusterKey:
        """The folder's key, created on first use. Raises `ConfigError` if it is invalid or cannot be used."""
        path = data_dir / KEY_FILE
        pem = read_secret(path)
        if pem is None:
            pem = create_secret(path, _new_private_pem())
        key = cls(public_key=_public_bytes(pem, path), private_pem=pem)
        public_path = data_dir / PUBLIC_FILE
        if not public_path.exists():
            replace_secret(public_path, key.public_key.hex().encode() + b"\n")
        return key

    def sign(self, message: bytes) -> bytes:
        """The cluster's signature, which `edge_keys.is_signed_by` checks."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        private = serialization.load_pem_private_key(self.private_pem, password=None)
        if not isinstance(private, Ed25519PrivateKey):
            raise AssertionError("the key was checked when it was loaded")
        return private.sign(hashlib.sha256(message).digest())


# Imported inside functions: cryptography costs 8 MB, and an agent that only runs tasks never needs it.
def _new_private_pem() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public_bytes(pem: bytes, path: Path) -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except ValueError as exc:
        raise ConfigError(f"{path} contains no PEM key; restore it, or remove it and reissue every token") from exc
    if not isinstance(private, Ed25519PrivateKey):
        raise ConfigError(f"{path} contains a {type(private).__name__}; an Ed25519 key is required")
    return private.public_key().public_bytes_raw()
