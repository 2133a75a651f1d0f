"""Effects call the fleet through their port, on the loop's thread, and distinguish unknown outcomes from refusals."""

from __future__ import annotations

import threading

import pytest

from chat.effects import Effects
from chat.states import CallState
from chat.tools.tool import Plan
from chat.watch import Watch
from nodes.database_threads import DatabaseThreads
from nodes.domain.commands import TaskSpec
from nodes.domain.states import Action
from nodes.errors import AgentFlowError, LeaderUnavailable, TaskRejected


class RefusingFleet:
    """A `chat.ports.Fleet`."""

    def __init__(self, error: AgentFlowError) -> None:
        self._error = error
        self.asked: list[tuple[int, str]] = []

    async def submit(self, spec: TaskSpec, *, actor: str, task_id: str) -> None:
        self.asked.append((threading.get_ident(), task_id))
        raise self._error

    async def control(
        self, task_id: str, action: Action, *, actor: str, input: bytes, command_id: str, may_run_commands: bool
    ) -> None:
        raise AssertionError("only new tasks are requested here")


@pytest.mark.parametrize(
    ("error", "state", "result"),
    [
        (TaskRejected("busy", "No slot."), CallState.FAILED, {"error": "No slot.", "code": "busy"}),
        (LeaderUnavailable("Too slow."), CallState.UNKNOWN, {"error": "Too slow."}),
    ],
    ids=["refused", "unknown"],
)
async def test_the_fleet_is_called_on_the_loop(error: AgentFlowError, state: CallState, result: dict[str, str]) -> None:
    fleet, threads = RefusingFleet(error), DatabaseThreads("chat", size=1)

    plan = Plan(right="operate", spec=TaskSpec(argv=("true",)))
    effect = await Effects(fleet, Watch(), threads).carry_out(
        plan, command_ids=lambda n: "0123456789abcdefg", actor="a", may_run_commands=False
    )
    threads.close()

    assert (effect.state, effect.result) == (state, result)
    assert fleet.asked == [(threading.get_ident(), "0123456789abcdef")]
