"""What both sides of the inner door spell alike."""

from __future__ import annotations

from collections.abc import Iterable

# Trailing metadata: the error's code for programs.
CODE_KEY = "agentflow-code"
AUTHORIZATION_KEY = "authorization"
_SCHEME = "Bearer "


def bearer(token: str) -> tuple[str, str]:
    return (AUTHORIZATION_KEY, f"{_SCHEME}{token}")


def bearer_of(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The token in a call's metadata, or an empty one."""
    for key, value in metadata:
        if key == AUTHORIZATION_KEY and isinstance(value, str) and value.startswith(_SCHEME):
            return value.removeprefix(_SCHEME)
    return ""
