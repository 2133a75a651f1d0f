"""Builds frames that are not from the feed: answers to clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dashboard.live.frames import Frame
from dashboard.live.outbox import Skipped
from nodes.domain.phrases import Phrase, phrases_of


def encode(message: Mapping[str, Any]) -> str:
    """JSON for the wire; NaN and infinity become null."""
    return orjson.dumps(message).decode()


def auth_ok(*, user: str, role: str, store: str, seq: int, heartbeat_seconds: float) -> Frame:
    return Frame(
        encode(
            {
                "type": "AUTH_OK",
                "user": user,
                "role": role,
                "store": store,
                "seq": str(seq),
                "heartbeatSeconds": heartbeat_seconds,
            }
        )
    )


def pong(*, store: str, seq: int, push_ms: float | None) -> Frame:
    """The socket has been sent everything of its topics up to `seq`."""
    return Frame(encode({"type": "PONG", "store": store, "seq": str(seq), "pushMs": push_ms}))


def gap(skipped: Skipped) -> Frame:
    """Log lines that were dropped for newer ones. Without a `seq`, as it is about messages that were not sent."""
    return Frame(
        encode(
            {
                "type": "GAP",
                "reason": "slow",
                "lane": "logs",
                "skipped": skipped.lines,
                "messages": skipped.messages,
                "from": str(skipped.first_seq),
                "to": str(skipped.last_seq),
            }
        )
    )


def accepted(*, task_id: str, command_id: str, ref: str) -> Frame:
    """The Leader has stored the request; only its sender gets this."""
    return Frame(encode({"type": "ACCEPTED", "ref": ref, "task": task_id, "command": command_id}))


def chat_accepted(*, conversation_id: str, turn_id: str, ref: str) -> Frame:
    """The Leader has stored the message or answer; only its sender gets this."""
    fields = {"type": "CHAT_ACCEPTED", "ref": ref, "conversation": conversation_id, "turn": turn_id}
    return Frame(encode(fields))


def error(
    code: str, message: str, ref: str = "", parts: Sequence[Phrase] = (), details: Mapping[str, Any] | None = None
) -> Frame:
    fields: dict[str, object] = {"type": "ERROR", "code": code, "message": message}
    if details:
        fields["details"] = details
    if parts:
        fields["phrases"] = phrases_of(message=parts)
    return Frame(encode({**fields, "ref": ref} if ref else fields))
