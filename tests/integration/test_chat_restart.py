"""The Leader dies at every boundary between storing and acting: a tool acts at most once, the history stays valid."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from chat.config import ChatConfig
from chat.models import Approval, ToolCall, Turn
from nodes.domain.states import TaskState
from nodes.leader.projection.projection import Projection
from nodes.leader.projection.unit_of_work import UnitOfWork
from nodes.models import Command
from tests.support.chat import ChatWorld, chat_world
from tests.support.eventually import eventually
from tests.support.leader_store import read
from tests.support.messages_api import MessagesApi, Reply, Step, text, thinking, tool_use

T = TypeVar("T")

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


class DyingProjection:
    """The projection until the turn's n-th write; then the process is dead, just before or after that write."""

    def __init__(self, projection: Projection, *, deadly_write: int, after: bool) -> None:
        self._projection = projection
        self._left = deadly_write
        self._after = after
        self._is_armed = False
        self.died = asyncio.Event()

    def arm(self) -> None:
        self._is_armed = True

    async def write(self, function: Callable[[UnitOfWork], T]) -> T:
        if self.died.is_set():
            await asyncio.Event().wait()
        if self._is_armed:
            self._left -= 1
            if not self._left:
                if self._after:
                    await self._projection.write(function)
                self.died.set()
                # The process is dead, so the caller gets no result; `kill_chat` ends this wait.
                await asyncio.Event().wait()
        return await self._projection.write(function)


def model(body: dict[str, Any]) -> Step:
    words = body["messages"][-1]["content"]
    if words[-1]["type"] == "tool_result":
        return Reply([thinking("so"), text("done")])
    asked = words[-1]["text"]
    if asked == "go on":
        return Reply([thinking("fine"), text("all is well")])
    name = "cancel_task" if asked.startswith("取消") else "pause_task"
    return Reply([thinking("hm"), tool_use(name, {"task": asked.split()[-1]})])


async def continues(world: ChatWorld, mortal: DyingProjection, turn_id: str) -> None:
    """The process may die while the turn is still "waiting"."""

    async def has_moved() -> bool:
        return mortal.died.is_set() or (await world.turn(turn_id))["state"] != "waiting"

    await world.sees(has_moved)


async def turn_ends(world: ChatWorld, mortal: DyingProjection, turn_id: str) -> bool:
    """True when the turn has ended or waits, False when the process died first."""

    async def has_ended() -> bool:
        if mortal.died.is_set():
            return True
        return (await world.turn(turn_id))["state"] in ("done", "waiting", "failed")

    await world.sees(has_ended)
    return not mortal.died.is_set()


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after the write"])
@pytest.mark.parametrize("sentence", ["暂停", "取消"], ids=["unasked", "approved"])
async def test_a_crash_at_any_write_never_acts_twice(tmp_path: Path, sentence: str, after: bool) -> None:
    async with MessagesApi(model) as api:
        config = ChatConfig(provider="anthropic", base_url=api.url, api_key="key-1")
        async with chat_world(tmp_path, config) as world:
            for deadly_write in range(1, 40):
                task_id = f"t{deadly_write:02}{'a' if after else 'b'}"
                await world.task(task_id, task_id)
                world.master.received.clear()
                await world.end_chat()
                mortal = DyingProjection(world.projection, deadly_write=deadly_write, after=after)
                world.start_chat(mortal)
                await world.open()
                turn_id = await world.say(f"{sentence} {task_id}")
                mortal.arm()
                survived = await turn_ends(world, mortal, turn_id)
                if survived and sentence == "取消":
                    approval = (await world.turn(turn_id))["steps"][0]["approval"]
                    asking = asyncio.create_task(world.answer(approval["id"]))
                    await eventually(lambda: asking.done() or mortal.died.is_set())  # noqa: B023 - awaited here
                    survived = not mortal.died.is_set() and await turn_ends(world, mortal, turn_id)
                    # Its writes count too, so the turn may be "waiting" for a moment.
                    while survived and (await world.turn(turn_id))["state"] == "waiting":
                        await continues(world, mortal, turn_id)
                        survived = await turn_ends(world, mortal, turn_id)
                    asking.cancel()
                    await asyncio.gather(asking, return_exceptions=True)
                await world.kill_chat()
                world.start_chat()
                await check(world, turn_id, task_id)
                if survived:
                    break
            else:
                raise AssertionError("the turn never ended")
        assert api.refusals == []


async def check(world: ChatWorld, turn_id: str, task_id: str) -> None:
    """After the restart: at most one action, every call settled correctly, and the conversation can continue."""
    await eventually(lambda: read(lambda: not Turn.objects.filter(state="running", id=turn_id).exists()))
    assert len([task for _, task in world.master.received if task == task_id]) <= 1
    assert await read(lambda: Command.objects.filter(task=task_id).count()) <= 1
    again = await world.ask("go on")
    assert again["state"] == "done", again
    assert len([task for _, task in world.master.received if task == task_id]) <= 1
    calls = await read(lambda: list(ToolCall.objects.filter(turn=turn_id).values_list("state", flat=True)))
    assert not set(calls) & {"running", "approved"}
    state = await read(lambda: world_task_state(task_id))
    if "done" in calls:
        assert state in (TaskState.PAUSED, TaskState.CANCELLED)
    assert not await read(lambda: Approval.objects.filter(call__turn=turn_id, state="approved").exists())


def world_task_state(task_id: str) -> str:
    from nodes.models import Task

    return Task.objects.get(id=task_id).state


async def test_an_approval_survives_a_restart_and_is_answered_after_it(tmp_path: Path) -> None:
    async with MessagesApi(model) as api:
        config = ChatConfig(provider="anthropic", base_url=api.url, api_key="key-1")
        async with chat_world(tmp_path, config) as world:
            await world.task("t1", "t1")
            turn = await world.ask("取消 t1")
            await world.kill_chat()
            world.start_chat()
            await world.answer(turn["steps"][0]["approval"]["id"], actor="bob")

            assert (await world.settled(turn["id"], "done"))["steps"][0]["state"] == "done"
            assert world.master.received == [("cancel", "t1")]
        assert api.refusals == []
