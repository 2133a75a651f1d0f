"""Retention of the chat: nothing grows without limit, and active turns and those still sent to a model are kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chat import services
from chat.config import ChatConfig
from chat.models import Approval, ContextSnapshot, Conversation, MemoryFile, MemoryRevision, Message, Turn
from chat.retention import ChatRetention, steps
from nodes.leader.projection.retention import Retention
from nodes.models import AuditEntry
from tests.support.chat import ChatWorld, chat_world
from tests.support.eventually import eventually
from tests.support.leader_store import read
from tests.support.messages_api import HttpError, MessagesApi, Reply, Script, Step, text, thinking, tool_use

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = datetime.now(UTC) - timedelta(days=100)


def model(body: dict[str, Any]) -> Step:
    """A fake model: thinks, which signs every byte before it, and calls a tool before it answers."""
    last = body["messages"][-1]["content"][-1]
    if last["type"] == "tool_result":
        return Reply([thinking("so"), text("there you are")])
    if last["text"] == "cancel it":
        return Reply([thinking("hm"), tool_use("cancel_task", {"task": "t1"})])
    if last["text"] == "slowly":
        return Reply([thinking("hm"), text("word " * 200)], delay_seconds=0.02)
    return Reply([thinking("hm"), tool_use("list_nodes", {})])


@asynccontextmanager
async def modelled(folder: Path, script: Script = model) -> AsyncIterator[tuple[ChatWorld, MessagesApi]]:
    async with MessagesApi(script) as api:
        config = ChatConfig(provider="anthropic", base_url=api.url, api_key="key-1")
        async with chat_world(folder, config) as world:
            await world.task("t1", "firmware build", project="shop")
            yield world, api
        assert api.refusals == []


async def prune(world: ChatWorld, **config: Any) -> Mapping[str, int]:
    return (await Retention(world.projection.write, more=steps(ChatRetention(**config))).prune()).removed


async def age() -> None:
    """Makes everything that was said a hundred days older."""
    await read(lambda: Turn.objects.update(created_at=LONG_AGO))


async def numbers(conversation: str) -> list[int]:
    turns = Turn.objects.filter(conversation=conversation).order_by("number")
    return await read(lambda: list(turns.values_list("number", flat=True)))


async def test_a_closed_conversation_is_deleted_by_age_and_its_audit_stays(tmp_path: Path) -> None:
    async with chat_world(tmp_path) as world:
        await world.task("t1", "firmware build", project="shop")
        old = await world.open()
        for _ in range(25):
            await world.ask("help")
        waiting = await world.ask("cancel t1")
        await world.answer(waiting["steps"][-1]["approval"]["id"])
        await world.settled(waiting["id"], "done")
        new = await asyncio.to_thread(services.open_conversation, "*:*", actor="ann", is_fresh=True)
        await world.ask("help")
        assert await prune(world) == {}

        await read(lambda: Conversation.objects.filter(id=old).update(closed_at=LONG_AGO))
        removed = await prune(world)

        assert removed == {"old conversations": 1}
        assert await read(lambda: list(Conversation.objects.values_list("id", flat=True))) == [new]
        assert await numbers(old) == []
        assert await numbers(new) == [1]
        assert not await read(Approval.objects.exists)
        assert await read(lambda: AuditEntry.objects.filter(conversation_id=old, kind="effect").count()) == 1


async def test_an_open_one_keeps_its_newest_turns_and_a_history_that_a_model_accepts(tmp_path: Path) -> None:
    async with modelled(tmp_path) as (world, api):
        conversation = await world.open()
        for number in range(1, 6):
            await world.ask(f"question {number}")
        assert await prune(world, open_turns=2) == {}, "what was said today is counted as spent"
        await age()

        assert await prune(world, open_turns=2) == {"turns": 3}

        assert await numbers(conversation) == [4, 5]
        turn = await world.ask("question 6")
        assert (turn["state"], turn["number"]) == ("done", 6)
        first = api.bodies[-1]["messages"][0]["content"]
        assert json.loads(first[0]["text"].removeprefix("<earlier>").removesuffix("</earlier>")) == [
            {"person": f"question {number}", "assistant": "there you are"} for number in (4, 5)
        ]
        assert first[-1]["text"] == "question 6"
        assert "question 3" not in json.dumps(api.bodies[-1])
        # From here on older turns are deleted without another epoch.
        await age()
        await prune(world, open_turns=2)
        assert await numbers(conversation) == [5, 6]
        assert (await world.ask("question 7"))["state"] == "done"
        assert len(api.bodies[-1]["messages"]) == 7
        assert (await read(Conversation.objects.get)).epoch == 2
        kept = {turn.id for turn in await read(lambda: list(Turn.objects.all()))}
        for rows in (Message.objects, ContextSnapshot.objects):
            assert set(await read(lambda rows=rows: list(rows.values_list("turn", flat=True)))) == kept


async def test_the_last_turn_can_be_retried_after_earlier_ones_are_deleted(tmp_path: Path) -> None:
    is_away = False

    def script(body: dict[str, Any]) -> Step:
        return HttpError(403, "permission_error") if is_away else model(body)

    async with modelled(tmp_path, script) as (world, api):
        for number in range(3):
            await world.ask(f"question {number}")
        is_away = True
        failed = await world.ask("and this")
        assert failed["state"] == "failed"
        await age()
        assert await prune(world, open_turns=1) == {"turns": 3}
        is_away = False

        await asyncio.to_thread(services.retry_turn, failed["id"], actor="ann")

        assert (await world.settled(failed["id"], "done"))["number"] == 4
        assert [message["role"] for message in api.bodies[-1]["messages"]] == ["user", "assistant", "user"]


async def test_nothing_is_pruned_while_an_answer_or_approval_is_pending(tmp_path: Path) -> None:
    async with modelled(tmp_path) as (world, _api):
        conversation = await world.open()
        for number in range(3):
            await world.ask(f"question {number}")
        waiting = await world.ask("cancel it")
        assert waiting["state"] == "waiting"
        await age()
        assert await prune(world, open_turns=1) == {}
        await world.answer(waiting["steps"][-1]["approval"]["id"])
        await world.settled(waiting["id"], "done")

        slow = await world.say("slowly")
        await eventually(lambda: world.recorder.messages("CHAT_DELTA"))
        await age()
        assert await prune(world, open_turns=1) == {}
        assert (await world.settled(slow, "done"))["state"] == "done"

        assert await prune(world, open_turns=1) == {"turns": 4}
        assert await numbers(conversation) == [5]
        assert (await world.ask("and now"))["state"] == "done"


async def test_deleted_memory_and_old_audit_entries_are_pruned(tmp_path: Path) -> None:
    async with chat_world(tmp_path) as world:
        now = datetime.now(UTC)

        def fill() -> None:
            for path, deleted_at in (("old", LONG_AGO), ("young", now), ("kept", None)):
                file = MemoryFile.objects.create(
                    scope="global", path=path, created_at=LONG_AGO, changed_at=LONG_AGO, deleted_at=deleted_at
                )
                MemoryRevision.objects.create(file=file, version=1, action="create", path=path, at=LONG_AGO)
            for at in (now - timedelta(days=800), LONG_AGO):
                AuditEntry.objects.create(at=at, kind="effect", conversation_id="c", turn_id="t", call_id="x", tool="y")

        await read(fill)

        assert await prune(world) == {"deleted memory files": 1, "audit entries": 1}
        assert await read(lambda: set(MemoryRevision.objects.values_list("path", flat=True))) == {"young", "kept"}
        assert (await read(AuditEntry.objects.get)).at == LONG_AGO
