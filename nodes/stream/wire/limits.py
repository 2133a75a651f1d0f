"""Sizes and times of the protocol that both ends must agree on (docs/protocol.md)."""

from __future__ import annotations

from dataclasses import dataclass

from nodes.errors import ConfigError

PROTOCOL_VERSION = 1

# One encoded journal entry. Checked at append: an entry that the peer cannot accept would block all later ones.
MAX_ENTRY_BYTES = 256 * 1024
# What an Edge's signature may add to that, when the entry is sent.
MAX_SIGNATURE_BYTES = 1024
# One frame of entries: a state that arrives while a frame is being written waits for at most this much.
MAX_FRAME_BYTES = 256 * 1024
# gRPC's limit for one message. Only snapshots come close to it.
MAX_MESSAGE_BYTES = 1024 * 1024

# A peer that has been silent for a heartbeat plus this long is gone.
SILENCE_SECONDS = 10.0
HEARTBEAT_RANGE_SECONDS = (5.0, 60.0)
DEFAULT_HEARTBEAT_SECONDS = 30.0
# From the opening of the stream to the Welcome. Longer than the 5 s that a parent may spend probing an older stream.
HANDSHAKE_SECONDS = 20.0

# A Leader's start raises the epoch by 1. One message cannot raise it by more than this, nor to where a database ends
# (63 bits): whoever could do that would keep every later Leader from starting.
MAX_EPOCH_RISE = 1 << 32

# How often an Edge with a key says again which parent it is attached to.
TICKET_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How much may be in flight (sent and not yet acknowledged), over all journals of a stream."""

    max_updates: int = 1000
    max_bytes: int = 1024 * 1024
    # Logs may use only this part, so that a state never waits for the acknowledgement of logs.
    logs_share: float = 0.75


def check_heartbeat(seconds: float) -> float:
    """Returns the value; raises `ConfigError` outside the allowed range."""
    low, high = HEARTBEAT_RANGE_SECONDS
    if not low <= seconds <= high:
        raise ConfigError(f"heartbeat_seconds is {seconds}; it must be {low:g} to {high:g}")
    return seconds
