"""Checks the token of a gRPC call, with limits per source, and reports refused ones to the owner of the hub.

The owner stores the reports; nothing here waits for it, and a flood costs one signature check per call at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from nodes.addresses import grpc_address, source_of
from nodes.bearer import token_in
from nodes.domain.access import AccessKind, AccessResult
from nodes.errors import AgentFlowError, NotReady
from nodes.limits import TokenLimits
from nodes.refusals import RefusalRecorder

T = TypeVar("T")

RETRY_AFTER_KEY = "retry-after"  # Trailing metadata, in seconds.


class OnRefused(Protocol):
    """`nodes.refusals.RefusalRecorder.note`."""

    def __call__(self, kind: str, /, *, address: str, result: str, reason: str = "") -> None: ...


class TooManyTokens(AgentFlowError):
    """Too many wrong tokens from this address; this one was not checked."""

    def __init__(self, wait_seconds: float) -> None:
        self.wait_seconds = math.ceil(wait_seconds)
        super().__init__(f"too many wrong tokens from this address; try again in {self.wait_seconds} s")

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return ((RETRY_AFTER_KEY, str(self.wait_seconds)),)


class TokenCheck(Generic[T]):
    """`authenticate` turns a token into an identity or raises an `AgentFlowError`."""

    def __init__(
        self, authenticate: Callable[[str], T], on_refused: OnRefused | None = None, limits: TokenLimits | None = None
    ) -> None:
        self._authenticate = authenticate
        # Without an owner that stores them, refusals are only logged.
        self._on_refused = on_refused or RefusalRecorder().note
        self._limits = limits or TokenLimits()

    def identity(self, context: Any) -> T:
        """The bearer of the call's token. Raises `TooManyTokens`, or what `authenticate` raises."""
        token = token_in(context.invocation_metadata() or ())
        source = source_of(grpc_address(context.peer()))
        if wait_seconds := self._limits.wait_seconds(source, token):
            self._report(context, AccessResult.LIMITED)
            raise TooManyTokens(wait_seconds)
        try:
            identity = self._authenticate(token)
        except NotReady:
            raise  # The token is not at fault.
        except AgentFlowError as exc:
            self._limits.refused(source, token)
            self._report(context, AccessResult.REFUSED, str(exc))
            raise
        self._limits.accepted(token)
        return identity

    def refused(self, context: Any, reason: str) -> None:
        """Reports a right token that is not allowed here."""
        self._report(context, AccessResult.REFUSED, reason)

    def _report(self, context: Any, result: AccessResult, reason: str = "") -> None:
        self._on_refused(AccessKind.NODE_TOKEN, address=grpc_address(context.peer()), result=result, reason=reason)
