"""The memory over the real projection: the SDK's exact texts, limits, and edits based on an old version."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from anthropic.lib.tools import ToolError
from anthropic.lib.tools._beta_builtin_memory_tool import BetaLocalFilesystemMemoryTool

from chat import memory_selectors, services
from chat.config import ChatConfig
from chat.contexts import Context
from chat.errors import MemoryRefused
from chat.memory import files
from chat.memory.commands import parse
from chat.memory.files import Author
from chat.memory.index import index_of
from chat.memory.paths import scopes_of
from chat.models import ContextSnapshot, MemoryFile, MemoryRevision
from nodes.errors import TaskRejected
from nodes.models import AuditEntry
from tests.support.chat import ChatWorld, chat_world
from tests.support.leader_store import read
from tests.support.messages_api import MessagesApi, Reply, text, thinking, tool_use

pytestmark = pytest.mark.django_db(transaction=True)

SCOPES = scopes_of(Context(project="shop", node="master-1"))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ChatWorld]:
    async with chat_world(tmp_path) as world:
        yield world


async def carry_out(world: ChatWorld, *, author: Author | None = None, **arguments: Any) -> str:
    command = parse(arguments)
    return (
        await world.projection.write(lambda unit: files.carry_out(unit, command, SCOPES, author or Author(actor="ann")))
    ).text


A = "/memories/global/a.md"
TRANSCRIPT: list[dict[str, Any]] = [
    {"command": "view", "path": A},
    {"command": "create", "path": A, "file_text": "one\ntwo\nthree\ntwo\n"},
    {"command": "create", "path": A, "file_text": "again"},
    {"command": "view", "path": A},
    {"command": "view", "path": A, "view_range": [2, 3]},
    {"command": "view", "path": A, "view_range": [3, -1]},
    {"command": "str_replace", "path": A, "old_str": "two", "new_str": "2"},
    {"command": "str_replace", "path": A, "old_str": "four", "new_str": "4"},
    {"command": "str_replace", "path": A, "old_str": "three", "new_str": "3"},
    {"command": "insert", "path": A, "insert_line": 0, "insert_text": "zero\n"},
    {"command": "insert", "path": A, "insert_line": 99, "insert_text": "far"},
    {"command": "insert", "path": "/memories/global", "insert_line": 0, "insert_text": "x"},
    {"command": "insert", "path": "/memories/global/none", "insert_line": 0, "insert_text": "x"},
    {"command": "view", "path": A},
    {"command": "rename", "old_path": A, "new_path": "/memories/global/b.md"},
    {"command": "rename", "old_path": A, "new_path": "/memories/global/c.md"},
    {"command": "create", "path": A, "file_text": ""},
    {"command": "rename", "old_path": A, "new_path": "/memories/global/b.md"},
    {"command": "delete", "path": "/memories/global/none"},
    {"command": "delete", "path": A},
    {"command": "delete", "path": A},
    {"command": "delete", "path": "/memories"},
]


async def test_answers_equal_those_of_the_sdk(world: ChatWorld, tmp_path: Path) -> None:
    sdk = BetaLocalFilesystemMemoryTool(str(tmp_path / "sdk"))

    for step in TRANSCRIPT:
        try:
            wanted = str(sdk.call(step))
        except ToolError as exc:
            wanted = str(exc)
        try:
            said = await carry_out(world, **step)
        except MemoryRefused as exc:
            said = exc.message
        assert said == wanted, step


async def test_a_folder_is_listed_two_levels_deep(world: ChatWorld) -> None:
    for path in ("global/a", "project/shop/b", "project/shop/deep/c", "node/master-1/d"):
        await carry_out(world, command="create", path=f"/memories/{path}", file_text="12345")

    said = await carry_out(world, command="view", path="/memories")

    assert said.split("\n")[1:] == [
        "20B\t/memories",
        "5B\t/memories/global/",
        "5B\t/memories/global/a",
        "5B\t/memories/node/",
        "5B\t/memories/node/master-1/",
        "10B\t/memories/project/",
        "10B\t/memories/project/shop/",
    ]


async def test_sizes_numbers_and_views_are_limited(world: ChatWorld) -> None:
    with pytest.raises(MemoryRefused, match="32 KB"):
        await carry_out(world, command="create", path=A, file_text="x" * 33_000)
    for number in range(8):
        await carry_out(world, command="create", path=f"/memories/global/{number}", file_text="x" * 32_000)
    with pytest.raises(MemoryRefused, match="full"):
        await carry_out(world, command="create", path=A, file_text="x" * 8_000)
    said = await carry_out(world, command="view", path="/memories/global/1")
    assert len(said) < 16_200
    assert said.endswith("[cut here: use view_range]")
    for number in range(100):
        await carry_out(world, command="create", path=f"/memories/node/master-1/{number}", file_text="x")
    with pytest.raises(MemoryRefused, match="100 files"):
        await carry_out(world, command="create", path="/memories/node/master-1/more", file_text="x")


async def test_an_edit_of_an_older_version_changes_nothing(world: ChatWorld) -> None:
    await carry_out(world, command="create", path=A, file_text="old")
    seen = await read(lambda: MemoryFile.objects.get(path=A))
    await carry_out(world, command="str_replace", path=A, old_str="old", new_str="new")

    with pytest.raises(MemoryRefused) as refused:
        await world.projection.write(lambda unit: files.write(unit, seen, "mine", Author(actor="bob"), version=1))

    assert refused.value.code == "stale"
    assert (await read(lambda: MemoryFile.objects.get(path=A))).content == "new"


async def test_every_change_has_a_revision_and_an_audit_entry(world: ChatWorld) -> None:
    await carry_out(world, command="create", path=A, file_text="one")
    await carry_out(world, command="str_replace", path=A, old_str="one", new_str="two")
    await carry_out(world, command="delete", path=A)
    file = await read(lambda: MemoryFile.objects.get(path=A))

    await world.projection.write(
        lambda unit: files.revert(unit, file, Author(actor="bob", why="needed"), version=3, to=1)
    )

    file = await read(lambda: MemoryFile.objects.get(path=A, deleted_at=None))
    assert (file.content, file.version) == ("one", 4)
    rows = await read(lambda: list(MemoryRevision.objects.order_by("version").values_list("action", "actor", "why")))
    assert rows == [("create", "ann", ""), ("edit", "ann", ""), ("delete", "ann", ""), ("revert", "bob", "needed")]
    assert await read(lambda: AuditEntry.objects.filter(kind="memory").count()) == 4


async def test_the_offline_engine_remembers_forgets_and_recalls(world: ChatWorld) -> None:
    said = await world.ask("remember that the shop's build needs 4 GB")
    assert [step["state"] for step in said["steps"]] == ["done"]
    await world.ask("记住 部署前先跑测试")
    file = await read(lambda: MemoryFile.objects.get(path="/memories/global/notes.md"))
    assert file.content == "- the shop's build needs 4 GB\n- 部署前先跑测试\n"
    assert not file.needs_review

    told = await world.ask("what do you remember?")
    assert "needs 4 GB" in told["messages"][-1]["text"]

    await world.ask("forget 4 GB")
    file = await read(lambda: MemoryFile.objects.get(path="/memories/global/notes.md"))
    assert file.content == "- 部署前先跑测试\n"
    revision = await read(lambda: MemoryRevision.objects.order_by("-version").first())
    assert (revision.actor, revision.engine, revision.why) == ("ann", "offline", "forget 4 GB")


async def test_a_snapshot_is_what_went_over_the_wire_byte_for_byte(tmp_path: Path) -> None:
    calls = [tool_use("memory", {"command": "create", "path": A, "file_text": "4 GB\n"})]
    script = [Reply(calls), Reply([text("Remembered.")])]
    async with MessagesApi(script) as api:
        config = ChatConfig(provider="anthropic", base_url=api.url, api_key="key-1")
        async with chat_world(tmp_path, config) as world:
            turn = await world.ask("remember that the build needs 4 GB")
        assert api.refusals == []

    assert turn["state"] == "done"
    assert (await read(lambda: MemoryFile.objects.get(path=A))).content == "4 GB\n"
    rows = await read(lambda: list(ContextSnapshot.objects.order_by("id")))
    assert [bytes(row.body) for row in rows] == api.raw_bodies
    conversation = await read(lambda: rows[0].conversation_id)
    shown = (await read(lambda: memory_selectors.context_of(conversation)))["requests"]
    assert [request["isSent"] for request in shown] == [False, True, True]
    for request in shown[1:]:
        usage = request["usage"]
        total = usage["input"] + usage["cacheRead"] + usage["cacheWrite"]
        assert sum(section["tokens"] for section in request["sections"]) == total


async def test_a_model_gets_the_list_of_files_once(tmp_path: Path) -> None:
    script = [Reply([thinking("hm"), text("one")]), Reply([thinking("hm"), text("two")])]
    async with MessagesApi(script) as api:
        config = ChatConfig(provider="anthropic", base_url=api.url, api_key="key-1")
        async with chat_world(tmp_path, config) as world:
            for path in (A, "/memories/node/master-1/b.md", "/memories/project/shop/c.md"):
                await carry_out(world, command="create", path=path, file_text="said elsewhere")
            tainted = Author(actor="ann", engine="claude", is_tainted=True)
            path = "/memories/global/cancel everything"
            await carry_out(world, author=tainted, command="create", path=path, file_text="x")

            await world.ask("hello", context="*:master-1")
            await carry_out(world, command="create", path="/memories/global/later.md", file_text="x")
            await world.ask("hello again", context="*:master-1")
        assert api.refusals == []

    first, second = (body["messages"] for body in api.bodies)
    index = first[0]["content"][0]["text"]
    assert index == f'<memory>{{"files": ["{A}", "/memories/node/master-1/b.md"], "more": false}}</memory>'
    assert second[0] == first[0], "what a model's thinking is bound to does not change"
    assert "<memory>" not in str(second[1:])
    conversation = await read(lambda: ContextSnapshot.objects.values_list("conversation", flat=True)[0])
    for request in (await read(lambda: memory_selectors.context_of(conversation)))["requests"]:
        (shown,) = [section["text"] for section in request["sections"] if section["name"] == "memory"]
        assert shown == f"user: {json.dumps(first[0]['content'][0])}"


async def test_a_long_list_of_files_is_cut_to_the_newest(world: ChatWorld) -> None:
    for number in range(51):
        await carry_out(world, command="create", path=f"/memories/global/{number:02}", file_text="x")

    said = await read(lambda: index_of(Context()))

    assert "/memories/global/00" not in said
    assert "/memories/global/50" in said
    assert '"more": true' in said


async def test_a_person_edits_and_reverts_through_the_leader(world: ChatWorld) -> None:
    await carry_out(world, command="create", path=A, file_text="one")
    file = await read(lambda: MemoryFile.objects.get(path=A))

    async def change(actor: str = "bob", **fields: Any) -> None:
        await asyncio.to_thread(lambda: services.change_memory(file.pk, actor=actor, **fields))

    await change(action="edit", version=1, text="two", why="wrong before")
    with pytest.raises(TaskRejected) as refused:
        await change(action="edit", version=1, text="three")
    assert refused.value.code == "stale"
    with pytest.raises(TaskRejected) as refused:
        await change("vic", action="delete", version=2)
    assert refused.value.code == "forbidden"
    await change(action="delete", version=2)
    await change(action="revert", version=3, to=1)
    assert (await read(lambda: MemoryFile.objects.get(path=A))).content == "one"
