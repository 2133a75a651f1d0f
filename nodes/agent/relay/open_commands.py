"""Open commands for Edges: kept until the Edge has answered or they expire. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from nodes.stream.wire.v1 import node_sync_pb2 as pb

# Per Edge. The Leader owns the commands and expires them itself, so a command without room here is late, never lost.
_MAX_COMMANDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    message: pb.LeaderCommand
    expires_mono: float


class OpenCommands:
    """In memory only: after a Master's restart, the Leader sends the open commands again."""

    def __init__(self) -> None:
        self._open: dict[str, dict[str, _Open]] = {}

    def add(self, node_id: str, message: pb.LeaderCommand, received_mono: float) -> bool:
        """False when there is no room."""
        commands = self._open.setdefault(node_id, {})
        if message.command_id not in commands and len(commands) >= _MAX_COMMANDS:
            _forget_expired(commands, received_mono)  # All of them, if the Edge was away for long.
            if len(commands) >= _MAX_COMMANDS:
                return False
        expires = received_mono + message.ttl_seconds if message.ttl_seconds else math.inf
        commands[message.command_id] = _Open(message=message, expires_mono=expires)
        return True

    def settle(self, node_id: str, command_id: str) -> None:
        """The Edge has stored the command."""
        self._open.get(node_id, {}).pop(command_id, None)

    def left(self, node_id: str, now_mono: float) -> Iterator[pb.LeaderCommand]:
        """Unanswered commands with their remaining time to live; drops expired ones."""
        commands = self._open.get(node_id, {})
        _forget_expired(commands, now_mono)
        for command in list(commands.values()):
            message = pb.LeaderCommand()
            message.CopyFrom(command.message)
            if command.expires_mono < math.inf:
                message.ttl_seconds = command.expires_mono - now_mono
            yield message


def _forget_expired(commands: dict[str, _Open], now_mono: float) -> None:
    for command_id in [name for name, command in commands.items() if command.expires_mono <= now_mono]:
        del commands[command_id]
