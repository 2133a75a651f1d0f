"""How a stream ended, in plain words, and whether and when to retry. Only this module looks at gRPC status codes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import grpc

from nodes.errors import AgentFlowError, WireError


class Retry(Enum):
    SOON = auto()
    AT_ONCE = auto()
    SLOWLY = auto()  # Retry slowly until a person fixes it.
    NEVER = auto()  # The other end is not an AgentFlow hub.


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The end of a stream, or of an attempt to open one."""

    reason: str
    retry: Retry = Retry.SOON
    min_delay_seconds: float = 0.0
    redirect: str = ""
    is_token_refused: bool = False


class StreamEnded(WireError):
    """Carries the `Ending` from where it was detected."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.reason)
        self.ending = ending


class UplinkRefused(AgentFlowError):
    """The other end cannot be the parent, and retrying does not help."""


_SLOW = {
    grpc.StatusCode.UNAUTHENTICATED: "the token was refused",
    grpc.StatusCode.PERMISSION_DENIED: "not permitted",
    grpc.StatusCode.ALREADY_EXISTS: "a node with this name is already connected",
    grpc.StatusCode.FAILED_PRECONDITION: "the parent does not accept this node",
}
_SOON = {
    grpc.StatusCode.UNAVAILABLE: "no connection",
    grpc.StatusCode.CANCELLED: "the stream was cut",
    grpc.StatusCode.ABORTED: "the parent ended the stream",
    grpc.StatusCode.UNKNOWN: "the parent failed",
    grpc.StatusCode.INTERNAL: "the connection broke",
    grpc.StatusCode.DEADLINE_EXCEEDED: "the parent took too long",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "the parent has no room, or a message was too large",
}
# Fragment of the library's message → what it means.
_PLAIN_WORDS = (
    ("Connection refused", "connection refused: nothing is listening there"),
    ("DNS resolution failed", "the host name cannot be resolved"),
    ("errors resolving", "the host name cannot be resolved"),
    ("Cancelling all calls", "the parent stopped"),
    ("Connection reset by peer", "the connection was cut"),
    ("Socket closed", "the connection was closed"),
    ("No route to host", "no route to the host"),
    ("Network is unreachable", "the network is unreachable"),
    ("CERTIFICATE_VERIFY_FAILED", "the certificate is not signed by a known authority"),
    ("Peer name", "the certificate is for another host"),
    ("WRONG_VERSION_NUMBER", "the other side does not use TLS"),
    ("handshake", "the TLS handshake failed"),
    ("FD Shutdown", "the connection attempt took too long"),
    ("Timeout", "the connection attempt took too long"),
    ("ping timeout", "the parent stopped answering"),
    ("keepalive", "the parent stopped answering"),
)


def judge(code: grpc.StatusCode, details: str) -> Ending:
    """What a stream's final status means. An unknown status ends the retries: guessing would retry without end."""
    if code is grpc.StatusCode.OK:
        return Ending(reason="the parent closed the stream")
    if code is grpc.StatusCode.UNAVAILABLE:
        return Ending(reason=_explained(details))
    if code in _SOON:
        return Ending(reason=_joined(_SOON[code], details))
    if code in _SLOW:
        is_token_refused = code is grpc.StatusCode.UNAUTHENTICATED
        return Ending(reason=_joined(_SLOW[code], details), retry=Retry.SLOWLY, is_token_refused=is_token_refused)
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return Ending(reason="the server there is not an AgentFlow hub", retry=Retry.NEVER)
    return Ending(reason=_joined(f"unexpected answer {code.name}", details), retry=Retry.NEVER)


def _joined(reason: str, details: str) -> str:
    return f"{reason}: {details}" if details else reason


def _explained(details: str) -> str:
    for sign, words in _PLAIN_WORDS:
        if sign in details:
            return words
    return _joined("no connection", details)
