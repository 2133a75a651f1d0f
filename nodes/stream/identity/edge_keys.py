"""An Edge's own key pair: made with its token, which names the public key; the private key never leaves the Edge.

A token is read by every Master that its Edge uses, so it proves little to the Leader. What the Edge signs with this key
proves that the Edge itself wrote it (docs/protocol.md, "Edges speak for themselves").
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache

from nodes.errors import ConfigError
from nodes.stream.wire.v1 import node_sync_pb2 as pb

KEY_CLAIM, ISSUED_CLAIM, PROOF_CLAIM = "key", "key_iat", "key_proof"
_BEGIN, _END = "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"
# PKCS #8 of an Ed25519 key is this and 32 bytes (RFC 8410). Spelled out, because an agent that loads the library's
# parser needs several MB more.
_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeKey:
    """The pair as its Edge holds it. `proof` is the cluster's signature over node, time of issue and public key."""

    public_key: bytes
    issued_at: int  # Unix seconds. Of two keys of one node, the later one counts.
    proof: bytes
    private_key: bytes = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        # Imported here: it costs 8 MB, and only an Edge with a key needs it.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.private_key).sign(hashlib.sha256(message).digest())

    def as_message(self) -> pb.EdgeKey:
        return pb.EdgeKey(public_key=self.public_key, issued_at=self.issued_at, proof=self.proof)


def new_private_key() -> tuple[bytes, bytes]:
    """A new pair, as raw bytes: private, public."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    return private.private_bytes_raw(), private.public_key().public_bytes_raw()


def proof_message(node_id: str, issued_at: int, public_key: bytes) -> bytes:
    """What the cluster signs: this key belongs to this node."""
    return b"agentflow edge key 1\0" + f"{node_id}\0{issued_at}\0".encode() + public_key


def is_vouched_for(cluster_key: bytes, node_id: str, key: pb.EdgeKey) -> bool:
    """Whether the cluster issued this key to this node."""
    return is_signed_by(cluster_key, key.proof, proof_message(node_id, key.issued_at, key.public_key))


def is_signed_by(public_key: bytes, signature: bytes, message: bytes) -> bool:
    # Hashed and of fixed size, so that hostile values cannot fill the memory of the cache.
    if len(public_key) != 32 or len(signature) != 64:
        return False
    return _is_valid(public_key, signature, hashlib.sha256(message).digest())


@lru_cache(maxsize=4096)  # The same proof and the same run's signature come with each entry.
def _is_valid(public_key: bytes, signature: bytes, digest: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, digest)
    except (InvalidSignature, ValueError):
        return False
    return True


def revoked_key(public_key: bytes) -> str:
    """How a key stands among the revoked token ids: it ends every token of this key, renewed ones too."""
    return f"key:{public_key.hex()}"


def encode_private_key(private_key: bytes) -> str:
    """The second part of an Edge's token file: PEM, which the search for secrets in output knows."""
    return f"{_BEGIN}\n{base64.b64encode(_PKCS8 + private_key).decode()}\n{_END}"


def edge_key_of(token: str, pem: str) -> EdgeKey | None:
    """The key of a token file: None for a token without one. Raises `ConfigError` when the two do not fit."""
    claims = _claims(token)
    if KEY_CLAIM not in claims:
        if pem:
            raise ConfigError("the token file contains a private key, but its token names none")
        return None
    if not pem:
        raise ConfigError("the token file contains the token without its private key; copy the whole file")
    body = pem.strip().removeprefix(_BEGIN).removesuffix(_END)
    try:
        der = base64.b64decode("".join(body.split()), validate=True)
        key = EdgeKey(
            public_key=unpacked(claims[KEY_CLAIM]),
            issued_at=int(str(claims[ISSUED_CLAIM])),
            proof=unpacked(claims[PROOF_CLAIM]),
            private_key=der[len(_PKCS8) :],
        )
    except (binascii.Error, KeyError, TypeError, ValueError) as exc:
        raise ConfigError("the private key in the token file is damaged") from exc
    if len(der) != len(_PKCS8) + 32 or not der.startswith(_PKCS8):
        raise ConfigError("the private key in the token file is damaged")
    if not is_signed_by(key.public_key, key.sign(b"check"), b"check"):
        raise ConfigError("the private key in the token file is not the one that its token names")
    return key


def claims_for(key: pb.EdgeKey) -> dict[str, object]:
    """What a renewed token says about the key that its Edge already has."""
    return {KEY_CLAIM: packed(key.public_key), ISSUED_CLAIM: key.issued_at, PROOF_CLAIM: packed(key.proof)}


def bearer_of(token: str) -> tuple[object, ...]:
    """Node, role and public key that a token names, unchecked."""
    claims = _claims(token)
    return tuple(claims.get(name) for name in ("sub", "role", KEY_CLAIM))


def is_issued_by(cluster_key: bytes, token: str) -> bool:
    """Whether the cluster signed this token. For an Edge, which does not load a library for that."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    content, _, signature = token.rpartition(".")
    try:
        raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
        Ed25519PublicKey.from_public_bytes(cluster_key).verify(raw, content.encode("ascii"))
    except (InvalidSignature, ValueError):
        return False
    return True


def times_of(token: str) -> tuple[str, int, int]:
    """Id, time of issue and end of a token, unchecked; 0 = not said."""
    claims = _claims(token)
    times = [value if isinstance(value := claims.get(name), int) else 0 for name in ("iat", "exp")]
    return str(claims.get("jti", "")), times[0], times[1]


def packed(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def unpacked(text: object) -> bytes:
    """Raises ValueError or TypeError."""
    if not isinstance(text, str):
        raise TypeError("expected a text")
    return base64.b64decode(text, altchars=b"-_", validate=True)


def _claims(token: str) -> dict[str, object]:
    """What the token says, unchecked: the parent checks it. Empty when it says nothing."""
    try:
        body = token.split(".")[1]
        held = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}
