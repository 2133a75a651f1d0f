"""The metadata of gateway calls: token, version and error code. Both sides use it."""

from __future__ import annotations

from collections.abc import Iterable

from nodes.bearer import metadata_with

# Increased when a request of another version would be misunderstood. A process that sends none is older than 2.
VERSION_KEY = "agentflow-gateway-version"
VERSION = "3"
# Trailing metadata: the error's code for programs.
CODE_KEY = "agentflow-code"
# As JSON: the message as data, and facts for programs (`TaskRejected.parts`, `.details`).
FACTS_KEY = "agentflow-facts-bin"


def metadata_of(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata that a web process sends with each call."""
    return (*metadata_with(token), (VERSION_KEY, VERSION))


def is_same_version(metadata: Iterable[tuple[str, str | bytes]]) -> bool:
    return (VERSION_KEY, VERSION) in set(metadata)
