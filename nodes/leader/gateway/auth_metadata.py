"""What both sides of the gateway spell alike."""

from __future__ import annotations

from collections.abc import Iterable

# Counts up when a request of the version before would be misunderstood. A process without it is from before 2.
VERSION_KEY = "agentflow-gateway-version"
VERSION = "2"
# Trailing metadata: the error's code for programs.
CODE_KEY = "agentflow-code"
AUTHORIZATION_KEY = "authorization"
_SCHEME = "Bearer "


def metadata_of(token: str) -> tuple[tuple[str, str], ...]:
    """What each call of a web process carries."""
    return ((AUTHORIZATION_KEY, f"{_SCHEME}{token}"), (VERSION_KEY, VERSION))


def bearer_of(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The token in a call's metadata, or an empty one."""
    for key, value in metadata:
        if key == AUTHORIZATION_KEY and isinstance(value, str) and value.startswith(_SCHEME):
            return value.removeprefix(_SCHEME)
    return ""


def is_same_version(metadata: Iterable[tuple[str, str | bytes]]) -> bool:
    return (VERSION_KEY, VERSION) in set(metadata)
