from __future__ import annotations

from nodes.agent.relay.open_commands import OpenCommands
from nodes.stream.wire.v1 import node_sync_pb2 as pb


def _command(command_id: str, ttl_seconds: float = 0.0) -> pb.LeaderCommand:
    return pb.LeaderCommand(command_id=command_id, ttl_seconds=ttl_seconds, epoch=3)


def test_commands_are_kept_until_answered_with_their_remaining_time() -> None:
    commands = OpenCommands()
    commands.add("edge-1", _command("a"), 100.0)
    commands.add("edge-1", _command("b", ttl_seconds=10), 100.0)
    commands.add("edge-1", _command("c", ttl_seconds=3), 100.0)
    commands.add("edge-2", _command("d"), 100.0)

    commands.settle("edge-1", "a")
    commands.settle("edge-9", "x")

    assert [(message.command_id, message.ttl_seconds, message.epoch) for message in commands.left("edge-1", 104.0)] == [
        ("b", 6.0, 3)
    ]
    assert list(commands.left("edge-1", 111.0)) == []


def test_room_is_bounded_and_a_repeat_takes_none() -> None:
    commands = OpenCommands()

    taken = [commands.add("edge-1", _command(str(n)), 0.0) for n in range(1001)]

    assert taken == [True] * 1000 + [False]
    assert commands.add("edge-1", _command("7"), 0.0)


def test_expired_commands_take_no_room() -> None:
    commands = OpenCommands()
    for number in range(1000):
        commands.add("edge-1", _command(str(number), ttl_seconds=5 + number % 2), 0.0)

    assert not commands.add("edge-1", _command("new"), 4.0)
    assert commands.add("edge-1", _command("new"), 5.5)
    assert len(list(commands.left("edge-1", 5.5))) == 501
