"""`Authorization: Bearer <token>`: the same in an HTTP header and in the metadata of a gRPC call."""

from __future__ import annotations

from collections.abc import Iterable

_KEY = "authorization"
_SCHEME = "Bearer"


def metadata_with(token: str) -> tuple[tuple[str, str], ...]:
    """A gRPC call's metadata that carries the token."""
    return ((_KEY, f"{_SCHEME} {token}"),)


def token_in(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The token in a gRPC call's metadata, or an empty one."""
    headers = (value for key, value in metadata if key == _KEY and isinstance(value, str))
    return next(filter(None, map(token_of, headers)), "")


def token_of(header: str) -> str:
    """The token in an `Authorization` header, or an empty one."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == _SCHEME.lower() else ""
