"""What both sides of the gateway spell alike."""

from __future__ import annotations

from collections.abc import Iterable

from nodes.bearer import metadata_with

# Counts up when a request of the version before would be misunderstood. A process without it is from before 2.
VERSION_KEY = "agentflow-gateway-version"
VERSION = "2"
# Trailing metadata: the error's code for programs.
CODE_KEY = "agentflow-code"


def metadata_of(token: str) -> tuple[tuple[str, str], ...]:
    """What each call of a web process carries."""
    return (*metadata_with(token), (VERSION_KEY, VERSION))


def is_same_version(metadata: Iterable[tuple[str, str | bytes]]) -> bool:
    return (VERSION_KEY, VERSION) in set(metadata)
