"""The metadata of gateway calls: token, version and error code. Both sides use it."""

from __future__ import annotations

from collections.abc import Iterable

# Increased when an older request would be misunderstood. A process that sends none is older than 2.
VERSION_KEY = "agentflow-gateway-version"
VERSION = "2"
# Trailing metadata: the error's code for programs.
CODE_KEY = "agentflow-code"
AUTHORIZATION_KEY = "authorization"
_SCHEME = "Bearer "


def metadata_of(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata that a web process sends with each call."""
    return ((AUTHORIZATION_KEY, f"{_SCHEME}{token}"), (VERSION_KEY, VERSION))


def bearer_of(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The token in a call's metadata; empty if there is none."""
    for key, value in metadata:
        if key == AUTHORIZATION_KEY and isinstance(value, str) and value.startswith(_SCHEME):
            return value.removeprefix(_SCHEME)
    return ""


def is_same_version(metadata: Iterable[tuple[str, str | bytes]]) -> bool:
    return (VERSION_KEY, VERSION) in set(metadata)
