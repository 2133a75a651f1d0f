"""A real agent that kills itself at a named point.

`python -m tests.support.agent_process POINT master …` is `python -m nodes master …`, but it dies of SIGKILL when it
reaches the point; with an empty POINT it never does. Run by its path with a point of `SHIM_POINTS`, it is such a shim.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ROOT = str(Path(__file__).resolve().parents[2])

SHIM_POINTS = ("shim-claimed", "shim-recorded")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_after(owner: Any, name: str, when: Callable[[Any], bool] = lambda result: True) -> None:
    method = getattr(owner, name)

    def dying(*arguments: Any, **named: Any) -> Any:
        result = method(*arguments, **named)
        if when(result):
            _die()
        return result

    setattr(owner, name, dying)


def _die_before(owner: Any, name: str, when: Callable[..., bool] = lambda *arguments: True) -> None:
    method = getattr(owner, name)

    def dying(*arguments: Any, **named: Any) -> Any:
        if when(*arguments):
            _die()
        return method(*arguments, **named)

    setattr(owner, name, dying)


def arm(point: str) -> None:
    """Makes this process die at the point."""
    from nodes.agent.runner import shim_link
    from nodes.agent.runner.attempt import Attempt
    from nodes.agent.runner.command_log import CommandLog
    from nodes.agent.runner.runner import Runner
    from nodes.domain.events import TaskStatus

    match point:
        case "":
            pass
        case "intent-stored":
            _die_after(CommandLog, "begin", lambda known: known is None)
        case "acted":
            control = Attempt.control

            async def control_and_die(*arguments: Any, **named: Any) -> None:
                await control(*arguments, **named)
                _die()

            Attempt.control = control_and_die  # type: ignore[method-assign, assignment]
            _die_before(CommandLog, "finish")
        case "result-stored":
            _die_after(CommandLog, "finish")
        case "result-journaled":
            _die_before(CommandLog, "reported")
        case "folder-made":
            _die_before(shim_link.Shims, "start")
        case "not-announced":
            _die_before(Runner, "_emit", lambda runner, payload, **named: isinstance(payload, TaskStatus))
        case _ if point in SHIM_POINTS:
            shim_link._START = Path(__file__)
            spawn = os.posix_spawn
            # A shim does not get our environment, so the point is added to its arguments.
            os.posix_spawn = lambda path, arguments, *rest, **named: spawn(  # type: ignore[assignment]
                path, [*arguments, point], *rest, **named
            )
        case _:
            raise AssertionError(f"there is no point {point!r}")


def _shim(point: str, folder: str, descriptor: int) -> int:
    sys.path.insert(0, _ROOT)
    from nodes.agent.runner.shim import layout, start
    from nodes.agent.runner.shim.supervisor import Supervisor

    if point == "shim-claimed":
        _die_after(layout, "write_claim")
    else:
        record = Supervisor._record

        def record_and_die(supervisor: Supervisor, command_id: str, do: str) -> None:
            record(supervisor, command_id, do)
            if command_id == "c":  # Not for commands that a test sends before.
                _die()

        Supervisor._record = record_and_die  # type: ignore[method-assign]
    return start.main(folder, descriptor)


def main(arguments: list[str]) -> int:
    from nodes.__main__ import main as agent_main

    arm(arguments[0])
    return agent_main(arguments[1:])


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[4] in SHIM_POINTS:
        sys.exit(_shim(sys.argv[4], sys.argv[1], int(sys.argv[2])))
    sys.exit(main(sys.argv[1:]))
