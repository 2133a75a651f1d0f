"""Conversations without a model: from the sentence to the node and back, over the real projection and scheduler."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chat import services as chat_services
from chat import store
from chat.turns import TurnRun
from nodes.domain.events import CommandResult, TaskStatus
from nodes.domain.states import CommandState, NodeState, TaskState
from nodes.errors import TaskRejected
from nodes.models import Command
from tests.support.chat import ChatWorld, chat_world
from tests.support.eventually import eventually
from tests.support.leader_store import Voice, read

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ChatWorld]:
    async with chat_world(tmp_path) as world:
        await world.task("t1", "firmware build", project="shop")
        await world.task("t2", "nightly test", project="shop")
        yield world


async def test_the_sentence_pauses_exactly_that_task_and_the_answer_says_its_state(world: ChatWorld) -> None:
    turn = await world.ask("暂停 master-1 的编译任务")

    assert world.master.received == [("pause", "t1")]
    assert turn["state"] == "done"
    assert [step["state"] for step in turn["steps"]] == ["done"]
    assert "firmware build" in turn["messages"][-1]["text"]
    assert "paused" in turn["messages"][-1]["text"] or "暂停" in turn["messages"][-1]["text"]
    assert (await read(lambda: Command.objects.get(kind="pause"))).actor == "ann"


async def test_everything_of_a_turn_is_in_the_feed_of_its_conversation(world: ChatWorld) -> None:
    turn = await world.ask("暂停 firmware build")

    kinds = [message["type"] for message in world.recorder.messages() if message["type"].startswith("CHAT_")]
    assert kinds[:2] == ["CHAT_CONVERSATION", "CHAT_TURN"]
    assert {"CHAT_TURN", "CHAT_STEP", "CHAT_RESPONSE"} <= set(kinds)
    response = world.recorder.messages("CHAT_RESPONSE")[-1]
    assert (response["turn"], response["text"]) == (turn["id"], turn["messages"][-1]["text"])
    assert int(response["seq"]) > 0


@pytest.mark.parametrize(
    ("text", "code"), [("", "empty"), ("  \n", "empty"), ("x" * 100_000, "too-long")], ids=["empty", "blank", "100 KB"]
)
async def test_bad_messages_are_refused_with_a_reason(world: ChatWorld, text: str, code: str) -> None:
    with pytest.raises(TaskRejected) as refused:
        await world.say(text)

    assert refused.value.code == code


@pytest.mark.parametrize("context", ["nowhere:*", "*:nowhere", "shop:master-9", "shop", ":", "a\nb:*"])
async def test_an_unknown_context_is_refused(world: ChatWorld, context: str) -> None:
    with pytest.raises(TaskRejected):
        await world.say("list nodes", context=context)


@pytest.mark.parametrize("is_stopped_first", [True, False], ids=["before it ran", "while it began"])
async def test_a_stopped_turn_does_not_run(
    world: ChatWorld, monkeypatch: pytest.MonkeyPatch, is_stopped_first: bool
) -> None:
    """Also when the runner had already picked it up before the stop was stored."""
    gate, runs, run = asyncio.Event(), 0, TurnRun.run

    async def late(self: TurnRun) -> None:
        nonlocal runs
        runs += 1
        await gate.wait()
        await run(self)

    monkeypatch.setattr(TurnRun, "run", late)
    turn_id = await world.say("pause firmware build")
    await eventually(lambda: runs == 1)
    if is_stopped_first:
        await world.projection.write(lambda unit: store.stop_turn(unit, turn_id, "", ""))
    else:
        await asyncio.to_thread(chat_services.stop_turn, turn_id, actor="bob")
    gate.set()

    assert (await world.ask("list the tasks"))["state"] == "done"
    assert (await world.turn(turn_id))["state"] == "stopped"
    assert world.master.received == []


async def test_a_viewer_may_not_chat(world: ChatWorld) -> None:
    with pytest.raises(TaskRejected) as refused:
        await world.say("list nodes", actor="vic")

    assert refused.value.code == "forbidden"
    assert world.master.received == []


@pytest.mark.parametrize(("context", "task_id"), [("shop:*", "t1"), ("*:master-2", "t3"), ("*:master-1", "t1")])
async def test_the_context_decides_between_two_equal_names(world: ChatWorld, context: str, task_id: str) -> None:
    other = world.master.others["master-2"] = Voice(world.projection, "master-2")
    await other.arrive()
    await other.tell(TaskStatus(task_id="t3", state=TaskState.RUNNING, name="kernel build"))

    turn = await world.ask("暂停编译任务", context=context)

    assert turn["state"] == "done"
    assert world.master.received == [("pause", task_id)]


async def test_without_a_context_two_equal_names_are_a_question(world: ChatWorld) -> None:
    await world.task("t4", "kernel build")

    turn = await world.ask("暂停编译任务")

    assert (turn["state"], turn["steps"]) == ("done", [])
    assert world.master.received == []


@pytest.mark.parametrize(
    "sentence", ["不要暂停 firmware build", "如果慢就暂停 firmware build", "pause firmware build?"]
)
async def test_an_unknown_word_allows_at_most_a_proposal(world: ChatWorld, sentence: str) -> None:
    turn = await world.ask(sentence)

    assert world.master.received == []
    assert turn["state"] == "waiting" or turn["steps"] == []


async def test_a_task_on_an_unreachable_node_is_reported_as_unknown(world: ChatWorld) -> None:
    world.master.answers = False
    await world.projection.node_state("master-1", NodeState.OFFLINE, link_rtt_ms=0)
    turn_id = await world.say("暂停 firmware build")

    step = await eventually(lambda: running_step(world, turn_id))
    assert step["state"] == "running"
    command = await eventually(lambda: read(lambda: Command.objects.filter(kind="pause").first()))
    await world.voice.arrive()
    await world.voice.tell(CommandResult(command_id=command.id, state=CommandState.FAILED, message="gone"))
    turn = await world.settled(turn_id)
    assert turn["steps"][0]["state"] == "failed"
    assert "gone" in turn["steps"][0]["result"]


async def running_step(world: ChatWorld, turn_id: str) -> dict[str, Any] | None:
    steps = (await world.turn(turn_id))["steps"]
    return steps[0] if steps and steps[0]["state"] == "running" else None
