"""docs/protocol.md, section 11: an agent or a shim dies at every step of every command.

Afterwards the effect happened at most once, as seen by the task itself. The answer is correct and stays the same,
however often the command is repeated.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from nodes.agent.runner.shim import layout, procfs
from nodes.domain.states import Action, CommandState
from tests.support.agent_parent import NODE, Parent, parent_of
from tests.support.eventually import eventually

pytestmark = pytest.mark.slow

TASK = """
import os, signal, sys
witness = os.open({witness!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def on_term(number, frame):
    os.write(witness, b"term\\n")
    signal.setitimer(signal.ITIMER_REAL, 0.4)  # Time for a second one to be seen.
signal.signal(signal.SIGTERM, on_term)
signal.signal(signal.SIGALRM, lambda number, frame: os._exit(7))
os.write(witness, b"started\\n")
while line := sys.stdin.readline():
    os.write(witness, line.encode())
while True:
    signal.pause()
"""

# Point → the answer, and whether the effect is there.
AFTER_A_CONTROL = {
    "intent-stored": (CommandState.FAILED, "interrupted", False),
    "acted": (CommandState.SUCCEEDED, "", True),
    "result-stored": (CommandState.SUCCEEDED, "", True),
    "result-journaled": (CommandState.SUCCEEDED, "", True),
    "shim-recorded": (CommandState.UNKNOWN, "unknown", False),
}
AFTER_A_START = {
    "intent-stored": (CommandState.EXPIRED, "not-started", False),
    "folder-made": (CommandState.FAILED, "cannot-start", False),
    "shim-claimed": (CommandState.UNKNOWN, "unknown", False),
    "not-announced": (CommandState.SUCCEEDED, "", True),
    "acted": (CommandState.SUCCEEDED, "", True),
    "result-stored": (CommandState.SUCCEEDED, "", True),
    "result-journaled": (CommandState.SUCCEEDED, "", True),
}


@pytest.fixture
async def parent(tmp_path: Path) -> AsyncIterator[Parent]:
    async with parent_of(tmp_path) as parent:
        yield parent


def argv(parent: Parent) -> list[str]:
    return [sys.executable, "-uc", TASK.format(witness=str(parent.folder / "witness"))]


def seen(parent: Parent) -> list[str]:
    """What the task saw."""
    witness = parent.folder / "witness"
    return witness.read_text().split() if witness.exists() else []


async def answered_the_same(parent: Parent, command_id: str, send: Callable[[int], Awaitable[None]]) -> None:
    """Sends it ten more times, half of them on a new stream; each must get the first answer."""
    first = await parent.answer(command_id)
    known = len(parent.answers(command_id))
    await send(5)
    await eventually(lambda: len(parent.answers(command_id)) >= known + 5, 20, "an answer to each")
    parent.store.snapshots.pop(NODE)
    parent.hub.disconnect(NODE, "shutdown")
    await eventually(lambda: NODE in parent.store.snapshots, 20, "a new stream")
    await send(5)
    await eventually(lambda: len(parent.answers(command_id)) >= known + 10, 20, "an answer to each")
    assert {(answer.state, answer.code) for answer in parent.answers(command_id)} == {(first.state, first.code)}


@pytest.mark.parametrize("point", AFTER_A_START)
async def test_an_interrupted_start(parent: Parent, point: str) -> None:
    state, code, has_run = AFTER_A_START[point]
    await parent.run_agent(point)
    await parent.start_task(*argv(parent), times=1 if point == "shim-claimed" else 3)
    if point != "shim-claimed":
        await parent.is_dead()
        await parent.run_agent()

    answer = await parent.answer("start")
    await answered_the_same(parent, "start", lambda times: parent.start_task(*argv(parent), times=times))

    assert (answer.state, answer.code) == (state, code), answer
    if has_run:
        await eventually(lambda: seen(parent))
        assert parent.states()[-1] == "running"
    elif point == "intent-stored":
        assert parent.states() == []  # A task that never started is not reported: it may run elsewhere.
    else:
        assert parent.states()[-1] == {"folder-made": "failed", "shim-claimed": "lost"}[point]
    assert seen(parent) == ["started"] * has_run


CONTROLS = [
    (action, point)
    for action in (Action.PAUSE, Action.RESUME, Action.INPUT, Action.CANCEL)
    for point in AFTER_A_CONTROL
]


@pytest.mark.parametrize(("action", "point"), CONTROLS)
async def test_an_interrupted_control(parent: Parent, action: Action, point: str) -> None:
    state, code, is_done = AFTER_A_CONTROL[point]
    is_shim = point == "shim-recorded"
    await parent.run_agent(point if is_shim else "")
    await parent.start_task(*argv(parent))
    await eventually(lambda: seen(parent) == ["started"])
    await parent.answer("start")
    pid = parent.statuses()[-1].pid
    if action is Action.RESUME:
        await parent.control(Action.PAUSE, "before")
        await parent.answer("before")
    if not is_shim:
        await eventually(parent.all_results_are_reported)  # Otherwise it would reach the point with an earlier answer.
        parent.agent.kill()
        await parent.run_agent(point)

    await parent.control(action, "c", times=1 if is_shim else 3, text=b"hello\n")
    if not is_shim:
        await parent.is_dead()
        await parent.run_agent()
    answer = await parent.answer("c")
    await answered_the_same(parent, "c", lambda times: parent.control(action, "c", times=times, text=b"hello\n"))

    assert (answer.state, answer.code) == (state, code), answer
    controls = parent.data / "tasks/t1.1" / layout.CONTROLS
    taken = controls.read_text().split("\n") if controls.exists() else []
    assert taken.count(f"c {action.value}") == (1 if is_done or is_shim else 0)
    if is_shim:
        assert parent.states()[-1] == "lost"
        assert seen(parent) == ["started"]
        return
    effect = {Action.INPUT: ["hello"], Action.CANCEL: ["term"]}.get(action, [])
    await eventually(lambda: seen(parent) == ["started", *(effect if is_done else [])])
    stands_still = {Action.PAUSE: is_done, Action.RESUME: not is_done}.get(action, False)
    wanted = "cancelled" if action is Action.CANCEL and is_done else "paused" if stands_still else "running"
    await eventually(lambda: parent.states()[-1] == wanted)
    if action in (Action.PAUSE, Action.RESUME):
        process = procfs.process(pid)
        assert process is not None
        frozen = Path(str((layout.read_record(str(controls.parent), layout.STARTED) or {})["cgroup"]), "cgroup.freeze")
        is_frozen = frozen.exists() and frozen.read_text().strip() == "1"
        assert (process[1] in "Tt" or is_frozen) == stands_still
