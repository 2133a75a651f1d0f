"""A command that is sent repeatedly has one effect."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from nodes.domain.commands import Command, ControlTask, StartTask, TaskSpec
from nodes.domain.states import Action
from nodes.stream.wire.codec import encode_command
from tests.faults.arena import PROGRAM, Arena
from tests.faults.length import short_or_full
from tests.faults.truth import Truth
from tests.support.delivery import MemoryStore, hub_of
from tests.support.eventually import eventually, eventually_sync
from tests.support.processes import Process, free_port
from tests.support.runner_harness import end_tasks

REPEATS = 10


def test_scenario_35_open_command_across_crashes_of_both(arena: Arena) -> None:
    """The agent cannot answer; Leader and agent die before the command arrives; then it arrives more than once."""
    task = arena.start_task("master-2", "--read", "--pause", "0.1")
    texts = []

    for number in range(short_or_full(2, 10)):
        arena.cluster.processes["master-2"].signal(signal.SIGSTOP)
        texts.append(f"round {number}")
        arena.send_input(task, texts[-1])
        started = arena.run("master-2", "--lines", "3")
        arena.kill("leader")
        if number % 2:
            arena.kill("master-2")
            arena.restart("leader", "master-2")
        else:
            arena.cluster.start_leader()
            arena.cluster.processes["master-2"].signal(signal.SIGCONT)
        arena.wait_online()
        eventually_sync(lambda: arena.truth.run(task).inputs == texts, 60, f"input {texts[-1]!r}")
        arena.wait_end(started, timeout=60)

    assert len(arena.truth.run(task).starts) == 1
    arena.check()


async def test_scenario_35_same_command_ten_times(tmp_path: Path) -> None:
    """A parent repeats commands on every stream, before and after the death of the agent, a real process."""
    store, truth, port = MemoryStore(), Truth(tmp_path / "truth"), free_port()
    argv = (sys.executable, str(PROGRAM), str(truth.folder), "--read", "--pause", "0.1")
    spec = TaskSpec(argv=argv, working_directory=str(tmp_path))
    commands = [
        Command(command_id="start", body=StartTask(task_id="t1", attempt=1, spec=spec), ttl_seconds=600),
        Command(
            command_id="say", body=ControlTask(task_id="t1", action=Action.INPUT, input=b"once\n"), ttl_seconds=600
        ),
    ]
    store.open_commands = [encode_command(command) for command in commands]
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("master:master-1")
    agent = Process(
        "agent",
        [
            *(sys.executable, "-m", "nodes", "master", "--leader", f"127.0.0.1:{port}", "--name", "master-1"),
            *("--token-file", str(token), "--data-dir", str(tmp_path / "node"), "--heartbeat", "5"),
        ],
        log=tmp_path / "agent.log",
    ).start()
    try:
        for number in range(1, REPEATS + 1):
            async with hub_of(store, address=f"127.0.0.1:{port}"):
                await eventually(lambda number=number: len(store.hellos) >= number, 30)
                await eventually(lambda: truth.run("t1").inputs, 30)
            if number % 4 == 0:
                agent.kill()
                agent.start()
        results = [entry.command_result for entry in store.entries if entry.HasField("command_result")]

        assert len(truth.run("t1").starts) == 1
        assert truth.run("t1").inputs == ["once"]
        assert {(result.command_id, result.code) for result in results} == {("start", ""), ("say", "")}
    finally:
        agent.kill()
        end_tasks(tmp_path)
    assert "Traceback" not in agent.log()
